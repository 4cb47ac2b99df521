"""What figures show of a batch."""

import torch
from support.scored import RGB, found, truth

from spear.scoring import Scorer
from spear.scoring.shown import shown_images


def test_pictures_are_matched_denormalised_and_clipped() -> None:
    true = truth(RGB, 3)
    attack = found(10 * true.inputs.flip(0), true.activation_gradients.flip(1))
    pair = shown_images(Scorer(RGB).beside(attack, true))
    assert pair is not None
    torch.testing.assert_close(pair[0], RGB.denormalized(true.inputs))
    torch.testing.assert_close(pair[1], RGB.denormalized(10 * true.inputs).clamp(0, 1))
