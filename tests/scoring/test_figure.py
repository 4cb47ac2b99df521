"""The figure of a batch and its reconstruction."""

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import BboxImage, imread
from matplotlib.patches import Rectangle
from skimage.data import lfw_subset
from support.drawn import place, saved

from spear.scoring.figure import reconstruction_figure
from spear.scoring.sheet import image_sheet, read_sheet, thumbnails


def faces(b: int, channels: int) -> torch.Tensor:
    return torch.as_tensor(lfw_subset()[:b]).double().unsqueeze(1).repeat(1, channels, 1, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_figure_is_written(tmp_path: Path, channels: int) -> None:
    originals = faces(4, channels)
    path = tmp_path / "new" / "folder" / "batch.png"
    reconstruction_figure(originals, (originals + 1e-6).clamp(0, 1), path, "faces")
    image = imread(path)
    assert image.shape[0] > 300
    assert image.shape[1] > 500
    assert image[..., :3].std() > 0.1


def test_more_than_ten_pictures_are_wrapped(tmp_path: Path) -> None:
    shapes = {}
    for b in (10, 11):
        reconstruction_figure(faces(b, 1), faces(b, 1), tmp_path / f"{b}.png", "faces")
        shapes[b] = imread(tmp_path / f"{b}.png").shape
    assert shapes[11][1] == shapes[10][1]
    assert shapes[11][0] > 1.7 * shapes[10][0]


def test_pictures_stand_in_rows_and_columns_with_errors_magnified_alike(tmp_path: Path) -> None:
    """Pictures of one colour each: the originals red, the errors grey."""
    b, side, step = 11, 120, 127.5  # 0.8 and 0.05 inches at 150 dots
    level = torch.arange(1, b + 1).double()
    originals = torch.zeros(b, 3, 8, 8, dtype=torch.float64)
    originals[:, 0] = (level / 16)[:, None, None]
    errors = (level / 125)[:, None, None, None]  # the sixth is 0.048, which 10 brings below 0.5
    reconstruction_figure(originals, originals + errors, tmp_path / "red.png", "red")
    image = imread(tmp_path / "red.png")[..., :3]

    def centre(colour: list[float]) -> tuple[float, float]:
        """Of the only square of a colour."""
        y, x = np.nonzero(np.abs(image - colour).max(axis=2) < 0.0045)
        assert len(y) == pytest.approx(side**2, rel=0.03)
        for each in (x, y):  # a few grey pixels are of letters
            assert np.ptp(np.percentile(each, [2, 98])) == pytest.approx(0.96 * side, abs=2)
        return float(np.median(x)), float(np.median(y))

    x, y = centre([1 / 16, 0, 0])
    for k in (0, 1, 9, 10):
        red, error = (k + 1) / 16, (k + 1) / 125
        strip, column = divmod(k, 10)
        left, top = x + column * step, y + strip * (3 * step + 0.28 * 150)
        assert centre([red, 0, 0]) == pytest.approx((left, top), abs=2.0)
        assert centre([red + error, error, error]) == pytest.approx((left, top + step), abs=2.0)
        assert centre([10 * error] * 3) == pytest.approx((left, top + 2 * step), abs=2.0)


def test_each_length_is_as_designed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eleven pictures twice as wide as high: 0.8 x 0.4 inches each, 0.05 apart, in two strips."""
    originals = torch.full((11, 1, 8, 16), 0.5, dtype=torch.float64)
    errors = torch.full_like(originals, 0.01)  # 40 dB, magnified ten times
    figure, settings = saved(
        monkeypatch,
        lambda: reconstruction_figure(originals, originals + errors, tmp_path / "a.png", "wide"),
    )
    assert figure.get_size_inches() == pytest.approx([1.05 + 10 * 0.85, 0.4 + 2 * 1.63])
    assert figure.dpi == 150
    assert settings == {"bbox_inches": "tight", "pad_inches": 0.1}
    width, height = figure.get_size_inches()
    images = [each for each in figure.artists if isinstance(each, BboxImage)]
    in_figure = figure.transFigure.inverted()
    boxes = [each.get_window_extent().transformed(in_figure) for each in images]
    assert len(boxes) == 33
    for box in boxes:
        assert (box.width * width, box.height * height) == pytest.approx((0.8, 0.4))
    corners = [(box.x0 * width, (1 - box.y1) * height) for box in boxes]
    for k, row in ((0, 0), (2, 2), (27, 0), (30, 0), (32, 2)):
        strip, column = divmod(k // 3, 10)
        left, top = 1.05 + column * 0.85, 0.4 + strip * 1.63 + row * 0.45
        assert corners[k] == pytest.approx((left, top))
    texts = {text.get_text(): text for text in figure.texts}
    assert {text: place(figure, each) for text, each in texts.items()} == {
        "wide": (0.0, 0.1),  # the others are of the second strip
        "original": (0.97, 2.23),
        "reconstruction": (0.97, 2.68),
        "|error| $\\times\\,10^{1}$": (0.97, 3.13),
        "PSNR (dB)": (0.97, 3.38),
        "40.0": (1.45, 3.38),
    }
    assert texts["wide"].get_fontsize() == 10.0
    assert {each.get_fontsize() for each in figure.texts[1:]} == {7.5}
    assert texts["40.0"].get_horizontalalignment() == "center"
    assert texts["original"].get_horizontalalignment() == "right"


def test_pictures_have_the_whole_range_of_grey_whatever_they_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    originals = torch.full((2, 1, 8, 8), 0.5, dtype=torch.float64)
    figure, _ = saved(
        monkeypatch, lambda: reconstruction_figure(originals, originals, tmp_path / "a.png", "grey")
    )
    shown = [each for each in figure.artists if isinstance(each, BboxImage)]
    assert {each.get_clim() for each in shown} == {(0.0, 1.0)}
    assert {each.get_cmap().name for each in shown} == {"gray"}
    assert {each.get_interpolation() for each in shown} == {"nearest"}
    assert [float(each.get_array().max()) for each in shown] == [0.5, 0.5, 0.0] * 2
    frames = [each for each in figure.artists if isinstance(each, Rectangle)]
    assert [each.get_linewidth() for each in frames] == [0.4] * 6


@pytest.mark.parametrize(
    ("error", "label"),
    [(0.0, "10^{16}"), (0.5, None), (0.6, None), (0.05, "10^{1}"), (0.0501, None),
     (0.049e-6, "10^{7}"), (1e-300, "10^{16}")],
)  # fmt: skip
def test_errors_are_magnified_to_at_most_a_half(
    error: float, label: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The RMS of the typical picture; float64 itself ends the powers at 16."""
    black = torch.zeros(3, 1, 4, 4, dtype=torch.float64)
    figure, _ = saved(
        monkeypatch, lambda: reconstruction_figure(black, black + error, tmp_path / "a.png", "e")
    )
    (words,) = {text.get_text() for text in figure.texts if "error" in text.get_text()}
    assert words == (f"|error| $\\times\\,{label}$" if label else "|error|")


def test_a_failed_picture_does_not_hide_the_small_errors_of_the_others(tmp_path: Path) -> None:
    originals = faces(3, 1).clamp(0.1, 0.9)
    found = originals + 3e-7
    found[0] = 0.0
    reconstruction_figure(originals, found, tmp_path / "failed.png", "faces")
    reconstruction_figure(originals, originals, tmp_path / "equal.png", "faces")
    failed, equal = (imread(tmp_path / name) for name in ("failed.png", "equal.png"))
    third = failed.shape[1] * 9 // 10  # within the last column, of an exact picture
    assert failed[:, third].sum() > equal[:, third].sum() + 20


def test_large_pictures_of_any_shape_are_shown_whole(tmp_path: Path) -> None:
    wide = torch.rand(2, 3, 200, 400, generator=torch.Generator().manual_seed(0))
    reconstruction_figure(wide, wide, tmp_path / "wide.png", "wide")
    tall = wide.transpose(2, 3)
    reconstruction_figure(tall, tall, tmp_path / "tall.png", "tall")
    heights = [imread(tmp_path / name).shape[0] for name in ("wide.png", "tall.png")]
    assert heights[1] > 2 * heights[0]


def test_large_pictures_are_averaged_and_small_ones_kept() -> None:
    large = torch.zeros(1, 3, 360, 720)
    large[..., ::2] = 1.0  # stripes of one pixel
    assert torch.equal(thumbnails(large), torch.full((1, 3, 60, 120), 0.5))
    assert torch.equal(thumbnails(faces(2, 1)), faces(2, 1))
    assert thumbnails(torch.zeros(1, 1, 121, 120)).shape == (1, 1, 121, 120)
    assert thumbnails(torch.zeros(1, 1, 121, 121)).shape == (1, 1, 61, 61)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sheet_gives_every_pixel_back(tmp_path: Path, channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (2, 5, channels, 7, 9), generator=generator).double() / 255
    path = tmp_path / "new" / "folder" / "sheet.png"
    image_sheet(pixels[0], pixels[1], path)
    originals, reconstructions = read_sheet(path, 5)
    assert torch.equal(originals, pixels[0])
    assert torch.equal(reconstructions, pixels[1])
    image_sheet(torch.rand(2, 3, 240, 360), torch.rand(2, 3, 240, 360), path)
    assert read_sheet(path, 2)[0].shape == (2, 3, 80, 120)
