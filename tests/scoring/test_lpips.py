"""LPIPS: its sizes, its weights, and that it leaves random numbers alone."""

import math
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import lpips
import pytest
import torch
import torchvision
from support.scored import Pictures, found, off_by, perfect, truth
from torch import Tensor

from spear.errors import CheckpointError, ConfigError
from spear.scoring import Scorer, standard_metrics
from spear.scoring.lpips import load_lpips


def test_lpips_needs_32_pixels_and_sees_clipped_pictures() -> None:
    seen: list[Tensor] = []

    def distances(first: Tensor, second: Tensor) -> Tensor:
        seen.extend([first, second])
        return torch.full((len(first),), 0.25)

    for side in (31, 32):
        dataset = Pictures((1, side, 40))
        true = truth(dataset, 2)
        score = Scorer(dataset, standard_metrics(distances))(off_by(dataset, true, 0.5), true)
        assert math.isnan(score["lpips"]) if side == 31 else score["lpips"] == 0.25
    assert len(seen) == 4
    assert all(x.min() >= 0.0 and x.max() <= 1.0 for x in seen)


def test_lpips_of_a_batch_is_the_mean_over_its_pictures() -> None:
    dataset = Pictures((3, 32, 32))
    true = truth(dataset, 3)

    def distances(first: Tensor, second: Tensor) -> Tensor:
        return 10 * (first - second).abs().mean(dim=(1, 2, 3))

    pixels = dataset.denormalized(true.inputs)
    pixels += torch.tensor([0.0, 0.01, 0.2]).double()[:, None, None, None]
    attack = found(dataset.normalized(pixels).flatten(1), true.activation_gradients)
    score = Scorer(dataset, standard_metrics(distances))(attack, true)
    assert score["lpips"] == pytest.approx(0.7)


@pytest.fixture
def empty_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


@pytest.mark.usefixtures("empty_hub")
def test_absent_weights_give_no_lpips_and_say_where_they_were_looked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        assert load_lpips(tmp_path) is None
    assert str(tmp_path / "weights") in caplog.text
    true = truth(Pictures((3, 32, 32)), 1)
    assert math.isnan(Scorer(Pictures((3, 32, 32)))(perfect(true), true)["lpips"])


@pytest.mark.usefixtures("empty_hub")
@pytest.mark.parametrize("content", [b"not a checkpoint", None])
def test_damaged_weights_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "weights" / "alexnet-features-torchvision.pth"
    path.parent.mkdir()
    if content is None:
        torch.save({"features.0.weight": torch.zeros(1)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="AlexNet"):
        load_lpips(tmp_path)


def test_a_network_that_lpips_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"net is 'squeeze' .*; expected one of alex, vgg\."):
        load_lpips(tmp_path, "squeeze")


@pytest.fixture(scope="module", params=["alex", pytest.param("vgg", marks=pytest.mark.slow)])
def deep_lpips(request: pytest.FixtureRequest) -> Callable[[Tensor, Tensor], Tensor]:
    metric = load_lpips(Path(os.environ.get("SPEAR_DATA", "data")), request.param)
    if metric is None:
        pytest.skip("no weights for LPIPS; SPEAR_DATA names the folder that has them in weights/")
    return metric


@pytest.mark.parametrize("channels", [1, 3])
def test_lpips_is_zero_for_equal_pictures_only(
    deep_lpips: Callable[[Tensor, Tensor], Tensor], channels: int
) -> None:
    dataset = Pictures((channels, 32, 32))
    true = truth(dataset, 2)
    scorer = Scorer(dataset, standard_metrics(deep_lpips))
    assert scorer(perfect(true), true)["lpips"] == 0.0
    assert scorer(found(-true.inputs, true.activation_gradients), true)["lpips"] > 1e-2


def test_lpips_takes_pictures_to_the_range_of_its_authors() -> None:
    """LPIPS's own network, on the features that torchvision's weights give, for [-1, 1]."""
    root = Path(os.environ.get("SPEAR_DATA", "data"))
    ours = load_lpips(root)
    weights = root / "weights" / "alexnet-features-torchvision.pth"
    if ours is None or not weights.is_file():
        pytest.skip("no weights for LPIPS; SPEAR_DATA names the folder that has them in weights/")
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
        network = torchvision.models.alexnet()
    network.load_state_dict(torch.load(weights), strict=False)
    for part in ("slice1", "slice2", "slice3", "slice4", "slice5"):
        own = getattr(theirs.net, part)
        for name, layer in own.named_children():
            layer.load_state_dict(network.features[int(name)].state_dict())
    first, second = torch.rand(2, 3, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs(2 * first - 1, 2 * second - 1).flatten().double()
    distances = ours(first, second)
    assert distances.dtype == torch.float64
    torch.testing.assert_close(distances, expected, rtol=1e-5, atol=0.0)


def test_loading_lpips_leaves_the_random_numbers_alone(
    deep_lpips: Callable[[Tensor, Tensor], Tensor],
) -> None:
    state = torch.random.get_rng_state()
    load_lpips(Path(os.environ.get("SPEAR_DATA", "data")))
    assert torch.equal(torch.random.get_rng_state(), state)
