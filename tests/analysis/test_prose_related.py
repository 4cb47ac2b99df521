"""Numbers in the sentences on related systems follow from the committed records."""

import re
from functools import cache

import pandas as pd
import pytest

from spear.analysis.records.store import RESULTS
from spear.analysis.render.rendering import load
from spear.analysis.tables import gifd, label_recovery, label_recovery_batches, lavp
from spear.experiments.config.schema import CONF

pytestmark = pytest.mark.slow

PAGE = re.sub(r"\s+", " ", (CONF.parent / "docs" / "related-systems.md").read_text())


@cache
def rows(module) -> pd.DataFrame:
    return module.table(load(module.EXPERIMENTS, RESULTS))


def test_labels_of_single_samples():
    cells = rows(label_recovery)
    assert {"100/100", "50/50"} == set(cells["exact"])
    batches = load(label_recovery.EXPERIMENTS, RESULTS)
    ours = batches[batches["attack"] == "label_recovery"]
    by = ["dataset", "network", "network.bias", "augmentation"]
    medians = ours.groupby(by)["seconds"].median()
    assert f"in {1000 * medians.min():.1f} ms to {medians.max():.2f} s" in PAGE


def test_labels_by_signs():
    cells = rows(label_recovery)
    smoothed, mixed = (cells[cells["labels"] == each] for each in ("smoothed", "mixed"))
    assert set(smoothed["exact "]) == {"0/100", "0/50"}
    assert set(mixed["exact "]) == {"11/100", "7/50", "1/100", "1/50"}
    assert "no smoothed label right, and of mixed ones 11 of 100 on CIFAR-10 and 1" in PAGE


def test_labels_of_batches():
    cells = rows(label_recovery_batches)
    assert all(re.fullmatch(r"(\d+)/\1", each) for each in cells["exact"])
    assert cells["b"].astype(int).max() == 20
    assert f"error of {cells['L1'].astype(float).max():.0e}".replace("e-0", "e-") in PAGE


def test_lavp_foresees_little():
    """Intervals for PSNR and LPIPS, of the norm and of the largest eigenvalue of each loss."""
    cells = rows(lavp)
    found = [
        cells[column].str.extract(r"\[(.*), (.*)\]").astype(float)
        for column in ("norm", "L2 max", "cosine max")
    ]
    for ends in found:
        assert ((ends[0] <= 0) & (ends[1] >= 0)).mean() > 0.5
    assert "most 95 % intervals of Spearman's rho contain 0" in PAGE


def test_gifd_beside_others():
    cells = rows(gifd).query("iterations == '400'")
    inside = cells[cells["pictures"] == "in distribution"].set_index(["defense", "attack"])
    means = [
        inside.loc[("no defense", each), "PSNR [dB]"].split()[0]
        for each in ("GIFD", "latents alone", "gradient matching")
    ]
    assert "GIFD {} dB, latents alone {}, gradient matching {}".format(*means) in PAGE
    found = inside.loc[("no defense", "latents alone"), "GIFD's lead: PSNR [dB]"]
    value, low, high, better = re.match(r"\+(.*) \[\+(.*), \+(.*)\], (\d+/\d+)", found).groups()
    said = f"latents by {value} dB (95 % interval {low} to {high})"
    assert f"{said} and is better on {better.replace('/', ' of ')}" in PAGE
    outside = cells[cells["pictures"] == "out of distribution"].set_index(["defense", "attack"])
    value = outside.loc[("no defense", "latents alone"), "GIFD's lead: PSNR [dB]"].split()[0]
    assert f"out of distribution (ImageNet) by {value[1:]} dB" in PAGE


def test_defenses_take_little_from_gifd():
    cells = rows(gifd).query("iterations == '400' and attack == 'GIFD'")
    lost = []
    for _, own in cells.groupby("pictures"):
        means = own.set_index("defense")["PSNR [dB]"].str.split().str[0].astype(float)
        lost.append((means["no defense"] - means).max())
    assert f"take at most {max(lost):.1f} dB from it" in PAGE
