"""Gated blocks of Hugging Face's models: Llama (SwiGLU) and Gemma (GEGLU)."""

import pytest
import torch

from spear.inversion.gated import SpearGated, gated_layers
from spear.reconstruction import Status

hf = pytest.importorskip("transformers", reason="`make test-text` installs Transformers")

SIZES = {
    "vocab_size": 200,
    "hidden_size": 64,
    "intermediate_size": 172,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "initializer_range": 0.1,
    "max_position_embeddings": 64,
}


def made(kind):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if kind == "llama":
            return hf.LlamaForCausalLM(hf.LlamaConfig(**SIZES))
        return hf.GemmaForCausalLM(hf.GemmaConfig(**SIZES, head_dim=16))


@pytest.mark.parametrize("kind", ["llama", "gemma"])
def test_every_position_with_a_gradient_is_found(kind):
    """28 positions at width 64: the last token of each of 4 sequences predicts nothing."""
    model = made(kind)
    tokens = torch.randint(200, (4, 8), generator=torch.Generator().manual_seed(0))
    seen = []
    block = model.model.layers[0].mlp
    with block.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach())):
        loss = model(input_ids=tokens, labels=tokens).loss
    named = dict(model.named_parameters())
    gradients = dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))
    found = SpearGated()(gated_layers(model, gradients))
    truth = seen[0][:, :-1].reshape(-1, 64).double()
    errors = torch.cdist(truth, found.inputs).min(dim=1).values / truth.norm(dim=1)
    assert found.status is Status.APPROXIMATE
    assert len(found.inputs) == len(truth) == 28
    assert errors.max() < 1e-4
