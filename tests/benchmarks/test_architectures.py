"""Small architectures are as they are written down, and their counts hold in a measurement."""

import pytest
import torch

from benchmarks.architectures import line
from benchmarks.small_architectures import SMALL

PARAMETERS = {"fedavg_2nn": 199_210, "fedavg_cnn": 1_663_370, "leaf_femnist": 6_603_710}
"""Numbers of parameters that McMahan et al. give for theirs; that of LEAF's code."""


@pytest.mark.parametrize("name", SMALL)
def test_a_small_architecture_takes_its_inputs(name):
    small = SMALL[name]
    model = small.build()
    assert model(torch.randn(2, *small.shape)).shape == (2, small.classes)
    if name in PARAMETERS:
        assert sum(each.numel() for each in model.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize(("name", "most"), [("fedavg_2nn", 100), ("tabular_mlp_gelu", 128)])
def test_a_row_has_forecast_and_measurement(name, most):
    cells = line(name, 2, 20.0).strip("| ").split(" | ")
    assert cells[0] == name
    assert cells[5] == str(most)
    assert cells[6].startswith("exact up to 2 (")
