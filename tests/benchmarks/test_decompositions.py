"""Attacks in units of one decomposition."""

import pytest
import torch

from benchmarks.decompositions import configuration, main, rows
from spear.experiments.config.schema import register

TINY = ["dataset=digits", "network.width=100", "network.depth=2", "batch_size=2"]


@pytest.fixture(autouse=True)
def threads():
    register()
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_batch_is_decomposed_and_attacked():
    (double, shared, irls), (other, *_) = (rows(TINY, ["spear_irls"], index) for index in (0, 1))
    assert [double[0], shared[0], other[0]] == ["SVD, float64", "SVD, as shared", "SVD, float64"]
    assert (irls[0], irls[2]) == ("spear_irls", "exact")
    assert all(seconds >= 0 for _, seconds, _ in (double, shared, irls))


def test_the_device_is_the_one_that_a_job_takes():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert configuration(TINY).attack.device == expected
    assert configuration([*TINY, "device=cpu"]).attack.device == "cpu"


def test_the_table_has_a_row_for_each(capsys):
    main(["--attacks", "spear_irls", "--overrides", *TINY])
    said = capsys.readouterr().out
    assert "SVD, float64" in said
    assert "spear_irls" in said
