"""Time in decompositions: the attack's own seconds over those of one SVD in float64."""

import dataclasses

import pytest
import torch
from support.pairs import pair_case
from support.problems import make_problem

from spear.inversion import BesideSvd, SpearIrls, SpearPair


def test_the_svd_is_of_the_gradient_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    observation = make_problem(b=3, dtype=torch.float32).observation
    decomposed: list[torch.Tensor] = []
    svd = torch.linalg.svd

    def watched(matrix: torch.Tensor, *arguments: object, **settings: object) -> object:
        decomposed.append(matrix)
        return svd(matrix, *arguments, **settings)

    alone = SpearIrls()(observation)
    monkeypatch.setattr(torch.linalg, "svd", watched)
    found = BesideSvd(SpearIrls())(observation)
    assert decomposed[-1].dtype == torch.float64
    assert torch.equal(decomposed[-1], observation.weight_gradient.double())
    seconds, ratio = found.details["svd_seconds"], found.details["svd_ratio"]
    assert ratio == pytest.approx(found.seconds / seconds)
    assert torch.equal(found.inputs, alone.inputs)
    rest = dataclasses.asdict(found)["details"].keys() - {"svd_seconds", "svd_ratio"}
    assert rest == alone.details.keys()


def test_of_a_pair_it_is_the_first_layers_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = pair_case("relu", b=3).pair
    decomposed: list[torch.Tensor] = []
    svd = torch.linalg.svd

    def watched(matrix: torch.Tensor, *arguments: object, **settings: object) -> object:
        decomposed.append(matrix)
        return svd(matrix, *arguments, **settings)

    monkeypatch.setattr(torch.linalg, "svd", watched)
    found = BesideSvd(SpearPair())(pair)
    assert torch.equal(decomposed[-1], pair.first.weight_gradient.double())
    assert found.details["svd_ratio"] > 0
