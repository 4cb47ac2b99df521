"""What defenses leave of a vision transformer's images, as the theory page's table says it."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from support import vision as support

import spear
from spear.client import Client
from spear.data import Batch
from spear.domain import Domain
from spear.errors import InvalidObservation
from spear.experiments.cli.start import CONF
from spear.experiments.config.build import build
from spear.reconstruction import Status
from spear.vision import SpearVit

PAGE = Path(spear.__file__).parents[1] / "docs/theory/vision-transformers.md"

TABLE = [
    [cell.strip() for cell in line.strip("| \n").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith(("| `defense=", "| `fedavg="))
]
"""Choices, status, and what it means."""

CLOSE = 0.01
"""Root mean square error of images of deviation 1 that show them."""

MISSING = {"partial", "timed_out", "full_rank"}
"""Statuses of images that are missing, of which the time decides one."""


def shared(choice):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", ["dataset=digits", "device=cpu", choice])
    client = Client(
        support.model(dtype=torch.float32),
        fedavg=build(config, "fedavg"),
        defense=build(config, "defense"),
        domain=Domain.unbounded((3, 8, 8)),
    )
    images = support.noise_images(2).float()
    batch = Batch(images, torch.tensor([1, 4]))
    return images, client.share(batch, torch.Generator().manual_seed(0))


def test_the_table_has_every_defense():
    named = {each.strip("` ") for row in TABLE for each in row[0].split(",")}
    files = {f"defense={path.stem}" for path in (CONF / "defense").glob("*.yaml")}
    assert named == files | {"fedavg=fedavg"}


@pytest.mark.parametrize(
    ("choice", "status"),
    [(each.strip("` "), row[1].strip("`")) for row in TABLE for each in row[0].split(",")],
)
@pytest.mark.few(6)
def test_each_ends_as_the_page_says(choice, status):
    images, update = shared(choice)
    attack = SpearVit(time_limit=5.0)
    attack.check(update.network, update.domain)
    if status == "refused":
        with pytest.raises(InvalidObservation, match="signs, whose rank says nothing"):
            attack(attack.observe(update))
        return
    found = attack(attack.observe(update), seed=0)
    assert str(found.status) in (MISSING if status == "partial" else {status})
    whole = found.inputs[: found.n_directions].reshape(-1, 1, *images.shape[1:])
    errors = (whole - images.double()).square().mean(dim=(2, 3, 4)).sqrt()
    if status in ("exact", "estimated"):
        assert errors.amin(dim=0).max() < CLOSE
    if found.status is Status.EXACT:
        assert errors.amin(dim=0).max() < 1e-5
