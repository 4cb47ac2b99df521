"""Audit of vision transformers: how many images an update gives away, and which."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from support import vision as support

import spear
from spear.auditing.report import as_json, html, text

PNG = re.compile(r'src="data:image/png;base64,([^"]+)" alt="recovered image (\d)( *)')


@pytest.fixture(scope="module")
def audited():
    network = support.model(dtype=torch.float32)
    told = support.shared(network, support.noise_images(3))
    return told, spear.audit(network, told.gradients, input_shape=(3, 8, 8), budget=60)


def test_the_images_are_counted_and_named_exact(audited):
    _, found = audited
    assert (found.seen.whole, found.seen.batch_size, found.seen.status) == (3, 3, "exact")
    assert found.seen.most == 7  # 7 x 9 + 3 = 66 <= 64 + 5
    assert "Images: 3 of 3 recovered whole from the first block" in text(found)
    assert "tell up to 7 in one gradient" in text(found)
    counts = json.loads(as_json(found))["images"]
    assert counts == {"batch_size": 3, "whole": 3, "most": 7, "status": "exact", "obstacle": ""}


def test_the_page_shows_them(audited):
    """Each thumbnail is one of the true images, from its least to its greatest value."""
    told, found = audited
    page = html(found)
    assert "3 of 3 whole" in page
    shown = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(each[0])))) for each in PNG.findall(page)
    ]
    assert len(shown) == 3
    true = told.images.double().permute(0, 2, 3, 1).numpy()
    stretched = [(each - each.min()) / np.ptp(each) * 255 for each in true]
    nearest = [
        min(range(3), key=lambda i, each=each: np.abs(each[::12, ::12] - stretched[i]).max())
        for each in shown
    ]
    assert sorted(nearest) == [0, 1, 2]
    for i, each in zip(nearest, shown, strict=True):
        assert np.abs(each[::12, ::12] - stretched[i]).max() <= 1


def test_a_frozen_block_is_said(audited):
    told, _ = audited
    network = support.model(dtype=torch.float32)
    frozen = {k: each for k, each in told.gradients.items() if not k.startswith("conv_proj")}
    found = spear.audit(network, frozen, input_shape=(3, 8, 8), budget=5)
    assert "No image was searched for: conv_proj.weight has no gradient" in text(found)
    assert "The images" not in html(found)


def test_other_models_have_none():
    network = spear.networks.fcnn((4,), 2, width=8, depth=2)
    gradients = {name: torch.ones_like(each) for name, each in network.named_parameters()}
    assert spear.audit(network, gradients, budget=1).seen is None
