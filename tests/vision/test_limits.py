"""Counts of equations, and that they are the ranks of the matrices."""

import pytest
import torch
from support import vision as support

from spear.vision.first_block import first_block
from spear.vision.limits import determined, equations, most_images, unknowns
from spear.vision.shared_rows import shared_rows
from spear.vision.token_equations import TokenEquations


@pytest.mark.parametrize(
    ("width", "patches", "numbers", "images"),
    [
        (768, 49, 3072, 8),  # ViT-B/32 at 224 pixels
        (768, 196, 768, 2),  # ViT-B/16
        (1024, 196, 768, 3),  # ViT-L/16
        (768, 36, 768, 10),  # ViT-B/16 at 96 pixels
        (384, 4, 768, 42),
        (384, 16, 192, 12),
        (4, 49, 3072, 0),
    ],
)
def test_the_most_images_of_known_models(width, patches, numbers, images):
    assert most_images(width, patches, numbers) == images


@pytest.mark.parametrize("batch", range(1, 50))
def test_the_limit_is_b_times_2n_plus_1_plus_3_if_patches_are_large(batch):
    for patches in (1, 4, 9):
        stated = batch * (2 * patches + 1) + 3 <= 384 + patches + 1
        assert determined(384, batch, patches, 10_000) == stated


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("patch", [4, 2])
def test_the_counts_are_those_of_the_matrices(batch, patch):
    """Beyond the width of the patches, too: 4 x 4 x 3 numbers, and 2 x 2 x 3 of which 16 a row."""
    network = support.model(width=96, patch=patch, spread=0.3)
    block = first_block(network)
    told = support.shared(network, support.noise_images(batch))
    rows = shared_rows(told.gradients, block, batch)
    found = TokenEquations.of_patches(block, rows)
    grid = block.grid
    sizes = batch, grid.patches, grid.numbers
    spare = equations(96, *sizes) - unknowns(*sizes)
    # Q^T g_p = a Q^T [v; 0] decides a and tests the position; its rank is what H leaves of v.
    rank = torch.linalg.matrix_rank(found.null_space[:96], atol=1e-7, rtol=0.0)
    assert rank == max(0, spare + 1)
    assert determined(96, *sizes) == (rank > 0)
