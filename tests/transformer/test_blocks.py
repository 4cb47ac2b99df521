"""Feed-forward blocks of Hugging Face models: found, and inverted position by position."""

import pytest
import torch
from support import transformer as support
from torch import nn

import spear
from spear.errors import LayerError, VictimError
from spear.transformer import block_at, feed_forward_blocks, standard

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")

KINDS = {
    "bert": ("bert.encoder.layer.0.intermediate.dense", "gelu"),
    "gpt2": ("transformer.h.0.mlp.c_fc", "gelu"),
    "opt": ("model.decoder.layers.0.fc1", "relu"),
    "vit": ("vit.layers.0.mlp.fc1", "gelu"),
}
per_kind = pytest.mark.parametrize("kind", KINDS)


@per_kind
def test_the_blocks_of_each_model_are_found(kind):
    found = feed_forward_blocks(support.model(kind, layers=3))
    name, activation = KINDS[kind]
    assert [each.index for each in found] == [0, 1, 2]
    assert found[0].name == name
    assert {each.pair.first.activation.name for each in found} == {activation}
    assert {(each.width, each.pair.first.module.out_features) for each in found} == {(64, 256)}


@per_kind
def test_the_copy_computes_what_the_model_computes_and_shares_its_memory(kind):
    model = support.model(kind)
    inputs = support.batch(kind, 2, 6)
    copy = standard(model)
    torch.testing.assert_close(copy.network(**inputs).loss, model(**inputs).loss)
    gradients, _ = support.shared(model, inputs, KINDS[kind][0])
    expected = torch.autograd.grad(
        copy.network(**inputs).loss, list(copy.network.parameters()), allow_unused=True
    )
    turned = copy.gradients(gradients)
    for (name, _), each in zip(copy.network.named_parameters(), expected, strict=True):
        torch.testing.assert_close(turned[name], each, rtol=1e-3, atol=1e-6)
    for name, each in model.named_parameters():
        assert copy.network.get_parameter(name).data_ptr() == each.data_ptr()


@pytest.mark.parametrize(
    ("kind", "sequences", "length", "training"),
    [
        *(("bert", 2, 8, False), ("bert", 2, 16, True)),
        *(("gpt2", 2, 9, False), ("gpt2", 2, 17, True)),
        *(("opt", 3, 17, False), ("opt", 3, 17, True)),
        *(("vit", 1, 0, False), ("vit", 1, 0, True)),
    ],
)
def test_every_position_that_leaves_a_gradient_is_recovered(kind, sequences, length, training):
    model = support.model(kind).train(training)  # dropout has probability 0.1
    gradients, truth = support.shared(model, support.batch(kind, sequences, length), KINDS[kind][0])
    found = spear.invert_block(model, gradients)
    assert found.status == "exact"
    assert found.batch_size == int(truth.leaving.sum())
    assert truth.share_exact(found) == 1
    assert float(truth.errors(found)[truth.leaving].max()) < 1e-4
    last = [(each, length - 1) for each in range(sequences)]  # predicts nothing
    assert truth.without_gradient == (last if kind in ("gpt2", "opt") else [])


def test_padding_and_positions_behind_the_last_use_leave_no_gradient():
    model = support.model("bert")
    inputs = support.batch("bert", 2, 8)
    inputs["attention_mask"] = torch.ones(2, 8, dtype=torch.long)
    inputs["attention_mask"][1, 5:] = 0
    gradients, truth = support.shared(model, inputs, KINDS["bert"][0])
    found = spear.invert_block(model, gradients)
    assert truth.without_gradient == [(1, 5), (1, 6), (1, 7)]
    assert found.status == "exact"
    assert truth.share_exact(found) == 1
    # Behind the last attention only [CLS] is used.
    gradients, truth = support.shared(model, inputs, block_at(model, 1).name)
    found = spear.invert_block(model, gradients, block=1)
    assert len(truth.without_gradient) == 14
    assert found.batch_size == 2
    assert truth.share_exact(found) == 1


def test_more_tokens_than_the_model_is_wide_are_never_called_exact():
    """Outputs of a layer norm sum to 0 here, so that 80 of them look like 63."""
    model = support.model("opt")
    gradients, _ = support.shared(model, support.batch("opt", 5, 17), KINDS["opt"][0])
    found = spear.invert_block(model, gradients, attack=spear.SpearPair(time_limit=0.5))
    assert found.status == "timed_out"


@pytest.mark.parametrize("index", [2, -1, "0", True])
def test_a_block_that_is_not_there_is_refused(index):
    with pytest.raises(LayerError, match=r"block is .*; expected 0 to 1"):
        block_at(support.model("gpt2"), index)


def test_a_frozen_block_is_refused():
    model = support.model("gpt2")
    model.transformer.h[0].mlp.c_proj.weight.requires_grad_(False)
    gradients, _ = support.shared(model, support.batch("gpt2", 2, 5), KINDS["gpt2"][0])
    with pytest.raises(LayerError, match=r"mlp\.c_proj\.weight has no gradient"):
        spear.invert_block(model, gradients)


def test_gated_blocks_are_refused():
    import transformers as hf

    config = hf.LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    with pytest.raises(LayerError, match="no feed-forward block"):
        block_at(hf.LlamaForCausalLM(config), 0)


def test_a_model_without_a_configuration_needs_inputs():
    plain = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 8))
    with pytest.raises(VictimError, match="inputs are missing"):
        block_at(plain, 0)
    assert block_at(plain, 0, torch.zeros(2, 8)).name == "0"
