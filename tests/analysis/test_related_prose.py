"""Numbers of docs/related-systems.md follow from the committed records."""

import re
from functools import cache

import pandas as pd
import pytest

from spear.analysis.records.store import RESULTS
from spear.analysis.render.rendering import load
from spear.analysis.tables.gifd_variants import RADII
from spear.analysis.tables.label_matching import NOISE, WEIGHT
from spear.experiments.config.schema import CONF

pytestmark = pytest.mark.slow

PAGE = re.sub(r"\s+", " ", (CONF.parent / "docs/related-systems.md").read_text())


@cache
def batches(experiment: str) -> pd.DataFrame:
    return load((experiment,), RESULTS)


def mean(found: pd.DataFrame, **keys: object) -> str:
    for key, value in keys.items():
        found = found[found[key] == value]
    return f"{found['psnr'].mean():.1f}"


def test_recovered_labels_are_as_good_as_true_ones_and_wrong_ones_no_worse():
    found = batches("label_recovery_matching")
    of = {
        (attack, kind): mean(found, attack=attack, augmentation=kind)
        for attack in ("geiping", "geiping_recovered_labels", "geiping_sign_labels")
        for kind in ("label_smoothing", "mixup")
    }
    recovered, true, wrong = (
        [of[attack, kind] for kind in ("label_smoothing", "mixup")]
        for attack in ("geiping_recovered_labels", "geiping", "geiping_sign_labels")
    )
    assert (
        f"{recovered[0]} and {true[0]} dB on smoothed labels, {recovered[1]} and {true[1]} dB on"
        in PAGE
    )
    assert f"against that paper: {wrong[0]} and {wrong[1]} dB" in PAGE


def test_the_weight_of_the_feature_and_noise_move_little():
    found = batches("label_recovery_features").fillna({NOISE: 0.0})
    means = found.groupby([NOISE, WEIGHT])["psnr"].mean()
    quiet = means.xs(0.0)
    least, most = f"{quiet.min():.1f}", f"{quiet.max():.1f}"
    assert f"moves the mean from {least} to {most} dB" in PAGE
    assert means.index.get_level_values(0).max() == 1e-4
    assert all((quiet - means.xs(noise)).max() < 0.5 for noise in (1e-5, 1e-4))


def test_balls_and_layers_of_gifd():
    found = batches("gifd_ablation")
    radii = found[RADII].astype(str)
    own, none, two, one = (mean(found[radii == each]) for each in sorted(radii.unique(), key=order))
    assert f"Without balls GIFD has {none} dB instead of {own}" in PAGE
    assert f"with two feature layers {two}, with one {one}." in PAGE


def order(radii: str) -> tuple[int, bool]:
    """More layers first, those with balls before those without."""
    values = [float(each) for each in re.findall(r"[0-9.e+]+", radii)]
    return (-len(values), max(values) >= 1e9)


def test_gifd_on_batches():
    found = batches("gifd_batches")
    of = {
        attack: [mean(found, attack=attack, batch_size=b) for b in (2, 4, 8)]
        for attack in ("gifd", "latent_search", "geiping")
    }
    said = {attack: f"{a}, {b} and {c}" for attack, (a, b, c) in of.items()}
    assert f"it has {said['gifd']} dB, latents alone {said['latent_search']}," in PAGE
    assert f"gradient matching {said['geiping']}." in PAGE
