"""Counting of false `exact` of images."""

import pytest
import torch

from benchmarks import hostile_images
from benchmarks.hostile_images import ALTERATIONS, Altered, case_of, verdict


@pytest.mark.parametrize("name", ["none", "all scaled"])
def test_an_honest_update_is_exact_and_right(name):
    _, case = case_of(0)
    assert verdict(ALTERATIONS[name](case)) == ("exact", "")


def test_an_image_that_is_not_of_the_batch_is_false():
    """The truth is replaced, not the update."""
    _, case = case_of(0)
    honest = ALTERATIONS["none"](case)
    word, text = verdict(Altered(honest.network, honest.gradients, case.other))
    assert word == "FALSE"
    assert text.startswith("an image is off by")
    more = torch.cat([case.images, case.other])
    word, text = verdict(Altered(honest.network, honest.gradients, more))
    assert word == "FALSE"
    assert text.startswith("an image is missing")


@pytest.mark.slow
def test_no_altered_update_is_falsely_exact(capsys):
    hostile_images.main(["--seeds", "2"])
    printed = capsys.readouterr().out
    assert "FALSE exact" not in printed
    assert printed.startswith("242 altered updates")
