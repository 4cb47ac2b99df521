"""Low-rank adapters (LoRA) on frozen weights: what their gradients hold, and that it is refused."""

import pytest
import torch
from support import language
from support import transformer as support
from torch import nn

import spear
from spear.auditing.report import text
from spear.errors import LayerError
from spear.transformer import inner_model

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")

RANK, SCALE = 4, 2.0


class Adapted(nn.Module):
    """W x + SCALE * B A x, W frozen, as PEFT names its parts."""

    def __init__(self, layer: nn.Linear, spread: float):
        super().__init__()
        self.base_layer = layer.requires_grad_(False)
        self.lora_A = nn.Linear(layer.in_features, RANK, bias=False)
        self.lora_B = nn.Linear(RANK, layer.out_features, bias=False)
        nn.init.normal_(self.lora_A.weight, std=0.1)
        nn.init.normal_(self.lora_B.weight, std=spread)

    def forward(self, x):
        return self.base_layer(x) + SCALE * self.lora_B(self.lora_A(x))


def adapted(spread):
    """BERT with adapters on both layers of its first block, and what a client of 14 tokens has."""
    model = support.model("bert").requires_grad_(False)
    block = model.bert.encoder.layer[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        block.intermediate.dense = Adapted(block.intermediate.dense, spread)
        block.output.dense = Adapted(block.output.dense, spread)
    seen = []
    layer = block.intermediate.dense
    hook = layer.register_forward_hook(lambda _, args, out: seen.append((args[0], out)))
    inputs = support.batch("bert", 2, 7)
    loss = model(**inputs).loss
    hook.remove()
    (x, z), parts = seen[0], [layer.lora_A.weight, layer.lora_B.weight]
    above, *own = torch.autograd.grad(loss, [z, *parts])
    return model, layer, x.detach().flatten(0, 1), above.flatten(0, 1), own


def rank(matrix):
    return int(torch.linalg.matrix_rank(matrix.double(), rtol=1e-5))


def test_gradients_of_an_adapter_are_few_combinations_of_the_states():
    """dL/dA = c B^T D X^T and dL/dB = c D (A X)^T: RANK rows, and columns, for 14 states."""
    _, layer, x, above, (of_a, of_b) = adapted(0.1)
    b, a = layer.lora_B.weight, layer.lora_A.weight
    torch.testing.assert_close(of_a, SCALE * b.T @ above.T @ x, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(of_b, SCALE * above.T @ x @ a.T, rtol=1e-3, atol=1e-6)
    assert rank(above.T @ x) == 14
    assert rank(of_a) == rank(of_b) == RANK


def test_at_its_initialisation_one_half_has_no_gradient():
    """B = 0, as adapters begin: dL/dA is zero, and dL/dB has the states behind A alone."""
    *_, (of_a, of_b) = adapted(0.0)
    assert not of_a.any()
    assert rank(of_b) == RANK


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_adapters_are_refused_with_the_reason(spread):
    model, *_ = adapted(spread)
    trained = {k: torch.ones_like(v) for k, v in model.named_parameters() if v.requires_grad}
    with pytest.raises(LayerError, match=r"lora_A.*r combinations of the hidden states"):
        spear.recover_text(model, trained)


def test_the_audit_says_what_adapters_leave():
    given = language.shared("gpt2", "next_token")
    model, gradients = inner_model(given.client.network, given.update.gradients)
    model.requires_grad_(False)
    attention = model.transformer.h[0].attn
    width = model.config.n_embd
    attention.lora_A = nn.Linear(width, RANK, bias=False)  # unused here; the names are what counts
    for name in list(gradients):
        if "mlp" in name:
            del gradients[name]
    gradients = {"transformer.h.0.attn.lora_A.weight": torch.ones(RANK, width)}
    found = spear.audit(model, gradients, form="gradients", budget=4)
    assert "r combinations of the hidden states at most" in text(found)
