"""Text of decoders: certified token sequences from one gradient."""

import pytest
import torch
from support import transformer as support

import spear
from spear.errors import VictimError
from spear.text import Matches, TokenSequence, read_sequences
from spear.transformer import BlockInputs, block_at

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")

FIRST = {
    "gpt2": "transformer.h.0.mlp.c_fc",
    "opt": "model.decoder.layers.0.fc1",
    "starcoder2": "model.layers.0.mlp.c_fc",
}


@pytest.mark.parametrize(
    ("kind", "sequences", "length"), [("gpt2", 3, 11), ("opt", 4, 11), ("starcoder2", 3, 11)]
)
def test_every_sequence_is_read_and_certified(kind, sequences, length):
    model = support.model(kind)
    inputs = support.batch(kind, sequences, length)
    inputs["input_ids"][1, :4] = inputs["input_ids"][0, :4]  # a common beginning
    gradients, _ = support.shared(model, inputs, FIRST[kind])
    found = spear.recover_text(model, gradients)
    truth = sorted(tuple(each) for each in inputs["input_ids"][:, :-1].tolist())
    assert [each.tokens for each in found.sequences] == truth
    assert all(each.certified for each in found.sequences)
    assert max(each.error for each in found.sequences) < 1e-5
    assert min(each.runner_up for each in found.sequences) > 1e-2
    assert found.complete


def test_a_repeated_first_token_is_read_without_embeddings_of_positions():
    """Of rotary models, (9), (9, 9) and (9, 9, 9) have the same state."""
    model = support.model("starcoder2")
    tokens = torch.tensor([[9, 9, 9, 20, 21, 22], [9, 20, 33, 34, 35, 36]])
    gradients, _ = support.shared(
        model, {"input_ids": tokens, "labels": tokens}, FIRST["starcoder2"]
    )
    found = spear.recover_text(model, gradients)
    assert [each.tokens for each in found.sequences] == [(9, 9, 9, 20, 21), (9, 20, 33, 34, 35)]
    assert found.complete


@pytest.mark.slow
def test_eight_sequences_of_sixteen_tokens():
    model = support.model("gpt2", width=192)
    inputs = support.batch("gpt2", 8, 16)
    gradients, _ = support.shared(model, inputs, FIRST["gpt2"])
    found = spear.recover_text(model, gradients)
    truth = sorted(tuple(each) for each in inputs["input_ids"][:, :-1].tolist())
    assert [each.tokens for each in found.sequences] == truth
    assert found.complete


def test_states_of_dropout_certify_nothing():
    model = support.model("opt").train()
    gradients, _ = support.shared(model, support.batch("opt", 2, 9), FIRST["opt"])
    found = spear.recover_text(model, gradients)
    assert found.states.status == "exact"
    assert found.sequences == ()
    assert found.unexplained == 16
    assert not found.complete


def test_a_missing_state_cuts_a_sequence_and_is_told():
    model = support.model("gpt2")
    tokens = support.batch("gpt2", 2, 6)["input_ids"]
    inputs = BlockInputs.of(block_at(model, 0))
    states = inputs(tokens).flatten(0, 1)
    kept = [each for each in range(12) if each != 8]  # position 2 of the second sequence
    found, unexplained = read_sequences(inputs, states[kept], support.VOCABULARY, 64)
    whole, cut = (tuple(each) for each in tokens.tolist())
    assert {each.tokens for each in found} == {whole, cut[:2]}
    assert unexplained == 3


def test_tokens_with_the_same_embedding_are_not_certified():
    model = support.model("gpt2")
    tokens = torch.tensor([[7, 8, 9]])
    with torch.no_grad():
        model.transformer.wte.weight[20] = model.transformer.wte.weight[8]
    inputs = BlockInputs.of(block_at(model, 0))
    found, unexplained = read_sequences(inputs, inputs(tokens)[0], support.VOCABULARY, 64)
    assert not any(each.certified for each in found)
    assert unexplained == 3


def test_models_of_pictures_are_refused():
    model = support.model("vit")
    gradients, _ = support.shared(model, support.batch("vit", 1, 0), "vit.layers.0.mlp.fc1")
    with pytest.raises(VictimError, match="takes no tokens"):
        spear.recover_text(model, gradients)


@pytest.mark.parametrize(
    ("error", "runner_up", "certified"),
    [(1e-5, 0.1, True), (2e-3, 0.9, False), (1e-4, 2e-3, False), (1e-6, 9e-4, False)],
)
def test_a_certificate_needs_a_small_error_and_a_gap(error, runner_up, certified):
    assert TokenSequence((1,), error, runner_up).certified is certified


def test_the_next_best_candidate_is_kept_over_all_that_were_tried():
    matches = Matches(torch.eye(2, dtype=torch.float64))
    first, _ = matches.errors(torch.tensor([[1.0, 0.0], [1.0, 0.5]], dtype=torch.float64))
    matches.errors(torch.tensor([[1.0, 0.25]], dtype=torch.float64))
    assert float(first[0, 0]) == 0
    assert matches.runner_up(0, 0.0) == pytest.approx(0.25)
    assert matches.runner_up(0, 0.5) == 0


def test_no_states_are_no_sequences():
    inputs = BlockInputs.of(block_at(support.model("gpt2"), 0))
    width = inputs(torch.tensor([[1]])).shape[-1]
    assert read_sequences(inputs, torch.zeros(0, width), support.VOCABULARY, 64) == ([], 0)
