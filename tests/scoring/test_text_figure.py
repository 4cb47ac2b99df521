"""The picture of sentences beside their reconstructions."""

import numpy as np
import pytest
from PIL import Image
from support.drawn import place, saved

from spear.scoring.text_figure import text_figure

GREEN, RED = (26, 122, 60), (179, 38, 30)


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)


def has(path, colour):
    return bool((pixels(path) == colour).all(axis=1).any())


@pytest.mark.parametrize(("found", "colour"), [("the cat", GREEN), ("the dog", RED), ("", RED)])
def test_right_and_wrong_sentences_have_colours_of_their_own(found, colour, tmp_path):
    path = tmp_path / "new" / "folder" / "text.png"
    text_figure(["the cat"], [found], path, "title")
    assert has(path, colour)
    assert not has(path, ({GREEN, RED} - {colour}).pop())


def test_each_sentence_and_each_further_line_makes_it_higher(tmp_path):
    heights = []
    for texts in (["a"], ["a", "b"], ["a", "long words " * 20]):
        text_figure(texts, texts, tmp_path / "text.png", "costs $5 and 5% of x_i^2")
        heights.append(Image.open(tmp_path / "text.png").height)
    assert heights == sorted(set(heights))


def test_each_length_is_as_designed(tmp_path, monkeypatch):
    """Two sentences, the second on three lines; lines are 0.19 inches, sentences 0.11 apart."""
    words = " ".join(["abcd"] * 33)  # eleven words of five letters fill a line of 58
    figure, settings = saved(
        monkeypatch,
        lambda: text_figure(["a $1", words], ["a $1", ""], tmp_path / "text.png", "title"),
    )
    assert figure.get_size_inches() == pytest.approx([9.0, 0.42 + 0.30 + 0.30 + 0.68])
    assert figure.dpi == 150
    assert settings == {"bbox_inches": "tight", "pad_inches": 0.1}
    line = " ".join(["abcd"] * 11)
    found = [(text.get_text(), *place(figure, text), text.get_fontsize()) for text in figure.texts]
    assert found == [
        ("title", 0.1, 0.1, 9.5),
        ("the client's sentences", 0.1, 0.42, 8.0),
        ("what the server reads from the gradient", 4.65, 0.42, 8.0),
        (r"a \$1", 0.1, 0.665, 8.5),
        (r"✓ a \$1", 4.65, 0.665, 8.5),
        (line, 0.1, 0.965, 8.5),
        (line, 0.1, 1.155, 8.5),
        (line, 0.1, 1.345, 8.5),
        ("✗ (not found)", 4.65, 0.965, 8.5),
    ]


def test_the_mark_stands_on_the_first_line_alone(tmp_path, monkeypatch):
    words = " ".join(["abcd"] * 22)
    figure, _ = saved(
        monkeypatch, lambda: text_figure(["b"], [words], tmp_path / "text.png", "title")
    )
    line = " ".join(["abcd"] * 11)
    assert [text.get_text() for text in figure.texts[-2:]] == [f"✗ {line}", f"   {line}"]
    assert {text.get_color() for text in figure.texts[-2:]} == {"#b3261e"}


@pytest.mark.parametrize(("letters", "lines"), [(58, 1), (59, 2)])
def test_a_line_has_58_letters(letters, lines, tmp_path, monkeypatch):
    words = "a" * (letters - 2) + " b"
    figure, _ = saved(monkeypatch, lambda: text_figure([words], [""], tmp_path / "t.png", "title"))
    assert len(figure.texts) == 3 + lines + 1
