"""Numbers in the sentences on related systems follow from the committed records."""

import re
from functools import cache

import pandas as pd
import pytest

from spear.analysis.records.store import RESULTS
from spear.analysis.render.rendering import load
from spear.analysis.tables import gifd, label_recovery, label_recovery_batches, lavp
from spear.analysis.tables.gifd_variants import RADII
from spear.analysis.tables.label_matching import NOISE, WEIGHT
from spear.experiments.config.experiments import experiments
from spear.experiments.config.schema import CONF

pytestmark = pytest.mark.slow

PAGE = re.sub(r"\s+", " ", (CONF.parent / "docs" / "related-systems.md").read_text())


@cache
def rows(module) -> pd.DataFrame:
    return module.table(load(module.EXPERIMENTS, RESULTS))


def test_labels_of_single_samples():
    cells = rows(label_recovery)
    assert {"100/100", "50/50"} == set(cells["exact"])
    found = load(label_recovery.EXPERIMENTS, RESULTS)
    ours = found[found["attack"] == "label_recovery"]
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
    inside = cells[cells["images"] == "in distribution"].set_index(["defense", "attack"])
    means = [
        inside.loc[("no defense", each), "PSNR [dB]"].split()[0]
        for each in ("GIFD", "latents alone", "gradient matching")
    ]
    assert "GIFD {} dB, latents alone {}, gradient matching {}".format(*means) in PAGE
    found = inside.loc[("no defense", "latents alone"), "GIFD's lead: PSNR [dB]"]
    value, low, high, better = re.match(r"\+(.*) \[\+(.*), \+(.*)\], (\d+/\d+)", found).groups()
    said = f"latents by {value} dB (95 % interval {low} to {high})"
    assert f"{said} and is better on {better.replace('/', ' of ')}" in PAGE
    outside = cells[cells["images"] == "out of distribution"].set_index(["defense", "attack"])
    value = outside.loc[("no defense", "latents alone"), "GIFD's lead: PSNR [dB]"].split()[0]
    assert f"out of distribution (ImageNet) by {value[1:]} dB" in PAGE


def test_defenses_take_little_from_gifd():
    cells = rows(gifd).query("iterations == '400' and attack == 'GIFD'")
    lost = []
    for _, own in cells.groupby("images"):
        means = own.set_index("defense")["PSNR [dB]"].str.split().str[0].astype(float)
        lost.append((means["no defense"] - means).max())
    assert f"take at most {max(lost):.1f} dB from it" in PAGE


@cache
def batches(experiment: str) -> pd.DataFrame:
    return load((experiment,), RESULTS)


def mean(found: pd.DataFrame, **keys: object) -> str:
    for key, value in keys.items():
        found = found[found[key] == value]
    return f"{found['psnr'].mean():.1f}"


def said_of(experiment: str) -> str:
    return experiments()[experiment].values[""].ours


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
    pairs = zip(recovered, true, ("smoothed", "mixed"), strict=True)
    numbers = ", ".join(f"{mine} and {theirs} dB {kind}" for mine, theirs, kind in pairs)
    assert said_of("label_recovery_matching").endswith(f"as good as true ones: {numbers}")


def test_the_weight_of_the_feature_and_noise_move_little():
    found = batches("label_recovery_features").fillna({NOISE: 0.0})
    means = found.groupby([NOISE, WEIGHT])["psnr"].mean()
    quiet = means.xs(0.0)
    least, most = f"{quiet.min():.1f}", f"{quiet.max():.1f}"
    assert f"moves the mean from {least} to {most} dB" in PAGE
    assert said_of("label_recovery_features").endswith(f"move the mean from {least} to {most} dB")
    assert means.index.get_level_values(0).max() == 1e-4
    assert all((quiet - means.xs(noise)).max() < 0.5 for noise in (1e-5, 1e-4))


def test_balls_and_layers_of_gifd():
    found = batches("gifd_ablation")
    radii = found[RADII].astype(str)
    own, none, two, one = (mean(found[radii == each]) for each in sorted(radii.unique(), key=order))
    assert f"Without balls GIFD has {none} dB instead of {own}" in PAGE
    assert f"with two feature layers {two}, with one {one}." in PAGE
    said = f"{own} dB, without balls {none}, with two feature layers {two}, with one {one}"
    assert said_of("gifd_ablation") == said


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
    header = f"GIFD {said['gifd']} dB at b = 2, 4 and 8, latents alone {said['latent_search']}"
    assert said_of("gifd_batches") == header


def test_gias_beside_gifd():
    """On one image and on batches, each on the same images as GIFD with given labels."""
    one = batches("gifd_baselines").groupby("attack")["psnr"].mean()
    several = batches("gifd_baselines_batches").groupby(["attack", "batch_size"])["psnr"].mean()
    found = batches("gifd_batches").query("attack == 'gifd'")
    gifd = {
        1: batches("gifd").query("attack == 'gifd'")["psnr"].mean(),
        **found.groupby("batch_size")["psnr"].mean(),
    }
    of = {each: {1: one[each], **several[each]} for each in ("gias", "gradinversion", "ggl")}
    said = {b: (f"{of['gias'][b]:.1f}", f"{gifd[b]:.1f}") for b in gifd}
    assert "GIAS has {} dB beside GIFD's {} on one image".format(*said[1]) in PAGE
    for b, word in {2: "two", 4: "four", 8: "eight"}.items():
        assert "{} beside {} on {}".format(*said[b], word) in PAGE
    for rival in ("gradinversion", "ggl"):
        assert all(of[rival][b] < gifd[b] for b in gifd)


def test_the_narrow_vgg_is_said_to_have_no_record_while_it_has_none():
    names = ("label_recovery_matching_vgg", "label_recovery_features_vgg")
    recorded = [name for name in names if (RESULTS / name).is_dir()]
    assert bool(recorded) != ("the VGG11 has none yet" in PAGE), recorded
