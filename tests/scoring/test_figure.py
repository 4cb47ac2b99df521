"""The figure of a batch and its reconstruction."""

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from skimage.data import lfw_subset

from spear.scoring.figure import reconstruction_figure
from spear.scoring.sheet import image_sheet, read_sheet, thumbnails


def faces(b: int, channels: int) -> torch.Tensor:
    return torch.as_tensor(lfw_subset()[:b]).double().unsqueeze(1).repeat(1, channels, 1, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_figure_is_written(tmp_path: Path, channels: int) -> None:
    originals = faces(4, channels)
    path = tmp_path / "new folder" / "batch.png"
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
    path = tmp_path / "new folder" / "sheet.png"
    image_sheet(pixels[0], pixels[1], path)
    originals, reconstructions = read_sheet(path, 5)
    assert torch.equal(originals, pixels[0])
    assert torch.equal(reconstructions, pixels[1])
    image_sheet(torch.rand(2, 3, 240, 360), torch.rand(2, 3, 240, 360), path)
    assert read_sheet(path, 2)[0].shape == (2, 3, 80, 120)
