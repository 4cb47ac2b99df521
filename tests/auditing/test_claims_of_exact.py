"""An audit says `exact` of no wrong reconstruction, and falls over no update."""

import pytest
import torch
from support.alterations import ALTERATIONS
from torch import Tensor, nn

from spear.auditing import Verdict, audit
from spear.auditing.recovery import largest_error
from spear.auditing.victim import share

RIGHT = 1e-3
"""Relative error up to which a reconstruction is called right."""

MODELS = {
    "mlp": lambda: nn.Sequential(nn.Linear(40, 60), nn.ReLU(), nn.Linear(60, 10)),
    "deep": lambda: nn.Sequential(
        nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 50), nn.ReLU(), nn.Linear(50, 3)
    ),
}


def case(model: str, b: int, seed: int) -> tuple[nn.Module, dict[str, Tensor], dict[str, Tensor]]:
    """A model, its update of a random batch, and what its layers received."""
    torch.manual_seed(seed)
    network = MODELS[model]()
    inputs = torch.randn(b, network[0].in_features)
    labels = torch.randint(network[-1].out_features, (b,))
    return network, *share(network, nn.CrossEntropyLoss(), inputs, labels)


def check(alteration: str, model: str, b: int, seed: int) -> None:
    network, gradients, truth = case(model, b, seed)
    found = audit(network, ALTERATIONS[alteration](gradients), budget=0.1)
    assert len(found.layers) == sum(isinstance(each, nn.Linear) for each in network)
    for layer in found.layers:
        assert layer.reasons
        if layer.verdict is Verdict.EXACT:
            assert largest_error(layer.recovery.inputs, truth[layer.name]) < RIGHT
    if alteration in ("none", "scaled", "negated"):
        assert found.layers[0].verdict is Verdict.EXACT


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_no_wrong_claim(alteration):
    check(alteration, "mlp", b=3, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(7))
@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_no_wrong_claim_in_two_hundred_cases(alteration, seed):
    check(alteration, list(MODELS)[seed % 2], b=1 + seed, seed=seed)
