"""Text of encoders: certified token sequences from one gradient."""

import pytest
import torch
from support import transformer as support

import spear
from spear.errors import LayerError, VictimError
from spear.text import Blend, Candidates, TokensInSpan, read_encoder
from spear.transformer import BlockInputs, block_at

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")

FIRST = "bert.encoder.layer.0.intermediate.dense"


def all_tokens(length):
    """Candidates that no span test has narrowed down."""
    every = tuple(range(support.VOCABULARY))
    return TokensInSpan((every,) * length, ((0.0,) * len(every),) * length, 1.0, 0)


def those_of(tokens):
    """The tokens of a batch (B x T) as candidates of each position."""
    columns = tuple(tuple(sorted(set(each.tolist()))) for each in tokens.T)
    return TokensInSpan(columns, tuple((0.0,) * len(each) for each in columns), 1.0, 0)


def states_of(model, tokens):
    inputs = BlockInputs.of(block_at(model, 0))
    return inputs, inputs(tokens).flatten(0, 1)


@pytest.mark.parametrize(("sequences", "length"), [(1, 9), (2, 8)])
def test_every_sequence_is_read_and_certified(sequences, length):
    model = support.model("bert")
    inputs = support.batch("bert", sequences, length)
    inputs["input_ids"][:, 0] = 1  # as [CLS]
    gradients, _ = support.shared(model, inputs, FIRST)
    found = spear.recover_text(model, gradients)
    truth = sorted(map(tuple, inputs["input_ids"].tolist()))
    assert [each.tokens for each in found.sequences] == truth
    assert all(each.certified for each in found.sequences)
    assert max(each.error for each in found.sequences) < 1e-4
    assert min(each.runner_up for each in found.sequences) > 1e-2
    assert found.complete


def test_padded_sequences_are_read_at_their_own_length():
    model = support.model("bert")
    inputs = support.batch("bert", 2, 7)
    inputs["attention_mask"] = torch.ones(2, 7, dtype=torch.long)
    inputs["attention_mask"][1, 4:] = 0
    gradients, _ = support.shared(model, inputs, FIRST)
    found = spear.recover_text(model, gradients)
    rows = zip(inputs["input_ids"].tolist(), (7, 4), strict=True)
    assert [each.tokens for each in found.sequences] == sorted(tuple(r[:n]) for r, n in rows)
    assert found.complete


def test_the_sequences_follow_from_the_states_without_a_span_test():
    model, tokens = support.model("bert"), support.batch("bert", 3, 6)["input_ids"]
    found, unexplained = read_encoder(*states_of(model, tokens), all_tokens(6))
    assert [each.tokens for each in found] == sorted(map(tuple, tokens.tolist()))
    assert unexplained == 0


def test_sequences_that_differ_in_one_token_are_both_certified():
    model, tokens = support.model("bert"), support.batch("bert", 3, 6)["input_ids"]
    tokens[1] = tokens[0]
    tokens[1, 3] = 2
    found, unexplained = read_encoder(*states_of(model, tokens), those_of(tokens))
    assert [each.tokens for each in found] == sorted(map(tuple, tokens.tolist()))
    assert all(each.certified for each in found)
    assert unexplained == 0


def test_a_missing_state_leaves_its_sequence_out_and_is_told():
    model, tokens = support.model("bert"), support.batch("bert", 2, 6)["input_ids"]
    inputs, states = states_of(model, tokens)
    kept = [each for each in range(12) if each != 8]  # position 2 of the second sequence
    found, unexplained = read_encoder(inputs, states[kept], those_of(tokens))
    assert [each.tokens for each in found] == [tuple(tokens[0].tolist())]
    assert unexplained == 5


def test_a_token_outside_the_span_leaves_its_sequence_out():
    model, tokens = support.model("bert"), support.batch("bert", 2, 6)["input_ids"]
    within = those_of(tokens)
    lost = tuple(each for each in within.tokens[2] if each != int(tokens[1, 2]))
    columns = (*within.tokens[:2], lost, *within.tokens[3:])
    cut = TokensInSpan(columns, within.distances, 1.0, 0)
    found, unexplained = read_encoder(*states_of(model, tokens), cut)
    assert [each.tokens for each in found if each.certified] == [tuple(tokens[0].tolist())]
    assert unexplained == 6


def test_tokens_with_the_same_embedding_are_not_certified():
    model, tokens = support.model("bert"), torch.tensor([[7, 8, 9]])
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight[20] = (
            model.bert.embeddings.word_embeddings.weight[8]
        )
    inputs, states = states_of(model, tokens)
    either = TokensInSpan(((7,), (8, 20), (9,)), ((0.0,), (0.0, 0.0), (0.0,)), 1.0, 3)
    found, unexplained = read_encoder(inputs, states, either)
    assert not any(each.certified for each in found)
    assert unexplained == 3


def test_dropout_certifies_nothing():
    model = support.model("bert").train()
    gradients, _ = support.shared(model, support.batch("bert", 1, 7), FIRST)
    found = spear.recover_text(model, gradients)
    assert found.states.status == "exact"
    assert found.sequences == ()
    assert found.unexplained == 7
    assert not found.complete


def test_an_encoder_with_a_frozen_first_attention_is_refused():
    model = support.model("bert")
    for each in ("query", "key", "value"):
        layer = model.get_submodule(f"bert.encoder.layer.0.attention.self.{each}")
        layer.weight.requires_grad_(False)
    gradients, _ = support.shared(model, support.batch("bert", 1, 6), FIRST)
    with pytest.raises(LayerError, match=r"query\.weight has no gradient"):
        spear.recover_text(model, gradients)


def blend(model):
    return Blend(BlockInputs.of(block_at(model, 0)))


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert"])
def test_weights_of_0_and_1_are_a_sequence_alone(kind):
    mixed = blend(support.model(kind))
    tokens, positions = torch.tensor([7, 8, 9, 20, 21]), torch.tensor([0, 1, 2, 1, 2])
    candidates = Candidates(tokens, positions)
    weights = torch.tensor([[1, 1, 1, 0, 0], [1, 0, 0, 1, 1]]).double()
    states = mixed(candidates, candidates, weights[:, None].expand(-1, 5, -1))
    first, second = mixed.inputs(torch.tensor([[7, 8, 9], [7, 20, 21]]))
    torch.testing.assert_close(states[0, :3], first, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(states[1, [0, 3, 4]], second, rtol=1e-4, atol=1e-5)


def test_only_the_ratio_of_weights_counts():
    mixed = blend(support.model("bert"))
    candidates = Candidates(torch.tensor([7, 8, 9]), torch.tensor([0, 1, 1]))
    weights = torch.tensor([[0.5, 0.3, 0.2]]).double().expand(3, -1)
    states, slopes = mixed.slopes(candidates, candidates, weights)
    torch.testing.assert_close(
        mixed(candidates, candidates, 2 * weights[None])[0], states, rtol=1e-4, atol=1e-5
    )
    # Euler: a function of the ratios alone does not change along the weights themselves.
    along = torch.einsum("n,nmd->md", weights[0], slopes)
    assert float(along.norm()) < 0.1 * float(slopes.norm())


def test_a_model_without_weights_of_attention_is_refused():
    inputs = BlockInputs.of(block_at(support.model("bert"), 0))
    forward = inputs.network.forward
    inputs.network.forward = lambda input_ids: forward(input_ids=input_ids)
    with pytest.raises(VictimError, match="position_ids"):
        Blend(inputs)
    inputs.network.forward = lambda input_ids, **_: forward(input_ids=input_ids)
    with pytest.raises(VictimError, match="position_ids"):
        Blend(inputs)


def test_a_single_position_leaves_nothing_to_solve_for():
    """Without unknowns scipy's nnls ends the process."""
    model = support.model("bert")
    tokens = torch.tensor([[7], [9]])
    inputs, states = states_of(model, tokens)
    found, unexplained = read_encoder(inputs, states, those_of(tokens))
    assert [each.tokens for each in found] == [(7,), (9,)]
    assert unexplained == 0
