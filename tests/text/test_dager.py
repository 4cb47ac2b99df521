"""DAGER's span test as a baseline: tokens by position, without a certificate."""

import pytest
import torch
from support import transformer as support

import spear
from spear.errors import InvalidObservation, LayerError, VictimError
from spear.text import Embeddings

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")

LAYERS = {
    "bert": ("query", "key", "value"),
    "gpt2": ("c_attn",),
    "opt": ("k_proj", "v_proj", "q_proj"),
}
FIRST = {
    "bert": "bert.encoder.layer.0.attention.self.value",
    "gpt2": "transformer.h.0.attn.c_attn",
    "opt": "model.decoder.layers.0.self_attn.v_proj",
}


def shared(kind, inputs, model=None):
    return support.shared(model or support.model(kind), inputs, FIRST[kind])[0]


@pytest.mark.parametrize("kind", LAYERS)
def test_the_layers_behind_the_embeddings_are_found(kind):
    found = Embeddings.of(support.model(kind)).layers
    assert {each.rpartition(".")[2] for each in found} == set(LAYERS[kind])
    assert all("0" in each.split(".") for each in found)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_tokens_of_each_position_are_in_the_span(kind):
    model, inputs = support.model(kind), support.batch(kind, 2, 7)
    found = spear.tokens_in_span(model, shared(kind, inputs))
    read = 7 if kind == "bert" else 6  # the last one predicts nothing and leaves no gradient
    assert len(found.tokens) == read
    for position, tokens in enumerate(found.tokens):
        assert set(inputs["input_ids"][:, position].tolist()) <= set(tokens)
    largest = max(map(max, found.distances))
    assert largest < 1e-4
    assert found.outside > 0.05


def test_of_a_single_sequence_the_nearest_tokens_are_the_text():
    model, inputs = support.model("bert"), support.batch("bert", 1, 9)
    found = spear.tokens_in_span(model, shared("bert", inputs))
    assert found.nearest == tuple(inputs["input_ids"][0].tolist())


def test_the_span_of_words_and_positions_holds_all_their_pairs():
    """An embedding is a sum, up to its length: 96 tokens leave words + positions - 1 dimensions."""
    model, inputs = support.model("bert"), support.batch("bert", 6, 16)
    found = spear.tokens_in_span(model, shared("bert", inputs))
    words = set(inputs["input_ids"].flatten().tolist())
    assert found.rank == len(words) + 16 - 1
    assert all(set(each) == words for each in found.tokens)


def test_dropout_on_the_embeddings_hides_the_tokens():
    model, inputs = support.model("bert").train(), support.batch("bert", 2, 7)
    gradients, _ = support.shared(model, inputs, FIRST["bert"])
    assert spear.tokens_in_span(model, gradients).tokens == ()


def test_more_tokens_than_dimensions_tell_nothing_apart():
    inputs = support.batch("bert", 8, 20)
    with pytest.raises(InvalidObservation, match="all 60 tokens are in"):
        spear.tokens_in_span(support.model("bert"), shared("bert", inputs))


def test_a_frozen_first_attention_is_refused():
    model = support.model("gpt2")
    model.transformer.h[0].attn.c_attn.weight.requires_grad_(False)
    gradients = shared("gpt2", support.batch("gpt2", 1, 5), model)
    with pytest.raises(LayerError, match=r"c_attn\.weight has no gradient"):
        spear.tokens_in_span(model, gradients)


def test_models_of_pictures_are_refused():
    model = support.model("vit")
    with pytest.raises(VictimError, match="takes no tokens"):
        spear.tokens_in_span(model, {})


def test_a_model_that_mixes_tokens_first_is_refused():
    model = support.model("bert")
    with torch.no_grad():  # a hook that adds the sum over all positions to each
        handle = model.bert.embeddings.register_forward_hook(
            lambda _module, _args, out: out + out.sum(dim=1, keepdim=True)
        )
    with pytest.raises(VictimError, match="depend on other positions"):
        spear.tokens_in_span(model, {})
    handle.remove()
