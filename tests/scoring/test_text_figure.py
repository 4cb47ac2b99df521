"""The picture of sentences beside their reconstructions."""

import numpy as np
import pytest
from PIL import Image

from spear.scoring.text_figure import text_figure

GREEN, RED = (26, 122, 60), (179, 38, 30)


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)


def has(path, colour):
    return bool((pixels(path) == colour).all(axis=1).any())


@pytest.mark.parametrize(("found", "colour"), [("the cat", GREEN), ("the dog", RED), ("", RED)])
def test_right_and_wrong_sentences_have_colours_of_their_own(found, colour, tmp_path):
    path = tmp_path / "new" / "text.png"
    text_figure(["the cat"], [found], path, "title")
    assert has(path, colour)
    assert not has(path, ({GREEN, RED} - {colour}).pop())


def test_each_sentence_and_each_further_line_makes_it_higher(tmp_path):
    heights = []
    for texts in (["a"], ["a", "b"], ["a", "long words " * 20]):
        text_figure(texts, texts, tmp_path / "text.png", "costs $5 and 5% of x_i^2")
        heights.append(Image.open(tmp_path / "text.png").height)
    assert heights == sorted(set(heights))
