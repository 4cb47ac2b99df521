"""Tables whose records have one batch a cell, or the same value in all: by hand, of several.

Of 1, 1, 3, 45 the mean is 12.5, the median 2, the largest 45.
"""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from spear.analysis.figures import enough, table9, vit_images
from spear.analysis.paper import curves
from spear.analysis.paper.comparison import Cell, mean
from spear.analysis.tables import (
    both_sparsities,
    enough_clients,
    enough_noise,
    enough_pruning,
    exact_recovery,
    input_sparsity,
    paper_sampling,
    peeling,
    sampling_beside_descent,
    table9_sampling,
    text_recovery,
    transformer_blocks,
)

SKEWED = [1.0, 1.0, 3.0, 45.0]


def batches(*skewed: str, **same: object) -> pd.DataFrame:
    """Four batches, of which the second and the last are exact."""
    own = dict.fromkeys(skewed, SKEWED)
    return pd.DataFrame(own | {"batch": range(4), "exact": [False, True] * 2}).assign(**same)


def only(table: pd.DataFrame) -> dict[str, str]:
    (row,) = table.to_dict("records")
    return row


def test_the_noisy_mode_beside_the_descent():
    keys = {"defense.noise_multiplier": 1e-5, "batch_size": 20}
    near = {"directions_near": [20, 20, 19, 20]}
    noisy = batches("psnr", "seconds", "submatrices", attack="spear_noisy", **keys, **near)
    ours = batches("psnr", "seconds", attack="spear_irls", **keys, directions_near=20)
    shown = only(table9_sampling.table(pd.concat([noisy, ours[:3]])))
    assert shown == {
        "sigma": "1e-05", "PSNR: the paper": "39.6", "Algorithm 1": "12.5",
        "found by Algorithm 1": "3/4", "time of Algorithm 1": "2 s", "descent (ours)": "1.7",
        "found by descent (ours)": "3/3", "time of descent (ours)": "1 s", "submatrices": "2",
    }  # fmt: skip


def test_the_papers_own_sampler():
    shown = only(paper_sampling.table(batches("psnr", "seconds", "submatrices", batch_size=10)))
    assert shown == {
        "b": "10", "exact": "2/4", "PSNR": "12.5 ± 21.7", "submatrices": "2", "seconds": "2 s",
    }  # fmt: skip


def test_sampling_stands_beside_the_descent_on_the_same_batches():
    chips = {"hardware.cpu": "A processor", "hardware.gpu": "A graphics card"}
    layer = {"attack.layer": 2, "dataset": "mnist", "fedavg.epochs": 1} | chips
    sampled = batches("psnr", "seconds", "submatrices", experiment="table4_sampling", **layer)
    ours = batches("psnr", "seconds", experiment="table4", device="cpu", **layer)
    results = pd.concat([sampled.assign(device="cuda")[:3], ours])
    empty = {"table3": 0, "table3_sampling": 0, "table10": 0, "table10_sampling": 0}
    assert set(empty) < set(sampling_beside_descent.EXPERIMENTS)
    assert only(sampling_beside_descent.table(results)) == {
        "of": "Table 4, layer 2", "batches": "3", "Algorithm 1: exact": "1/3",
        "Algorithm 1: dB": "1.7", "Algorithm 1: time": "1 s, A graphics card", "submatrices": "1",
        "descent (ours): exact": "1/3", "descent (ours): dB": "1.7",
        "descent (ours): time": "1 s, A processor",
    }  # fmt: skip
    missing = results.assign(psnr=np.nan)
    assert only(sampling_beside_descent.table(missing))["descent (ours): dB"] == ""


def test_blocks_of_transformers_show_their_worst_error():
    errors = {"state_error": [1e-6, 1e-6, 3e-6, 5e-5], "network.width": 100}
    model = {"network": "gpt2", "network.training": True, "batch_size": 2}
    shown = only(transformer_blocks.table(batches("directions", **errors, **model)))
    assert shown["b = 2"] == "2/4, tokens/d 0.12, error 5e-05"  # half to even


def test_sentences_are_shown_by_their_means():
    shares = {"positions_exact": 1.0, "token_accuracy": [0.0, 0.0, 0.2, 1.0], "rouge1": 0.5}
    network = {"network": "minilm", "network.objective": "classification", "batch_size": 2}
    rest = shares | network | {"rouge2": [0.0, 0.0, 0.0, 1.0], "sequences_exact": [0.0, 0, 0.5, 1]}
    own = batches("seconds", attack="spear_text", status="exact", **rest)
    other = batches("seconds", attack="dager", status="estimated", **rest)
    shown = only(text_recovery.table(pd.concat([own, other[:3]])))
    assert shown == {
        "model": "MiniLM, trained, classes", "b": 2, "positions": "100", "proven": "2/4",
        "tokens, spear": "30", "tokens, DAGER": "7", "sentences, spear": "38",
        "sentences, DAGER": "17", "ROUGE-1/2, spear": "0.50/0.25", "ROUGE-1/2, DAGER": "0.50/0.00",
        "s, spear": "2.0", "s, DAGER": "1.0",
    }  # fmt: skip


def test_several_clients_have_their_limit():
    keys = {"network.activation": "relu", "network.width": 200, "batch_size": 8}
    cell = batches(experiment="enough_clients", recovered=[0.0, 0.0, 0.2, 1.0], **keys)
    shown = only(enough_clients.table(cell.assign(**{"aggregation.clients": 4})))
    assert (shown["up to k"], shown["k = 4"]) == ("12", "30% (2/4)")


def test_sparse_inputs_are_shown_by_means_and_medians():
    proven = {"status": ["exact", "exact", "exact", "estimated"]}
    keys = {"network": "fcnn", "network.depth": 6, "batch_size": 4}
    cell = batches("mae", "seconds", "details.found", **keys, **proven)
    assert only(input_sparsity.table(cell)) == {
        "network": "at initialisation", "L": "6", "b": "4", "exact": "1/4", "found": "12.5",
        "MAE": "1.25e+01", "seconds": "2 s",
    }  # fmt: skip
    layer = {"attack.layer": 3, "attack": "spear_input"}
    assert only(both_sparsities.table(batches("mae", "seconds", **layer, **proven))) == {
        "layer": "3", "sparse": "inputs", "exact": "1/4", "MAE": "1.25e+01", "seconds": "2 s",
    }  # fmt: skip


@pytest.mark.parametrize(("side", "patches"), [(1, 1024), (2, 256), (4, 64), (32, 1)])
def test_a_picture_of_32_pixels_has_so_many_patches(side, patches):
    heads = [
        batches(**{"network.patch": each, "network.width": 4000, "network.head": head},
                batch_size=2, directions_right=2, status="exact")
        for head in vit_images.HEADS for each in (side, 8)
    ]  # fmt: skip
    titles = {axes.get_title() for axes in vit_images.draw(pd.concat(heads)).axes}
    named = f"{patches} patches of {side} pixels (d = 4000)"
    assert titles == {named, "16 patches of 8 pixels (d = 4000)"}


SIZES = {"network.width": 200, "batch_size": 20, "dataset": "cifar10", "network.depth": 6}
CELLS = {
    both_sparsities: {"attack": "spear_input", "attack.layer": 1, "status": "exact", "mae": 0.1},
    enough_clients: {
        "experiment": "enough_clients", "network.activation": "relu", "aggregation.clients": 2,
        "recovered": 1.0,
    },
    enough_noise: {
        "defense.noise_multiplier": 0.1, "defense.max_norm": 1.0, "gradient_median": 0.01,
        "recovered": 1.0, "directions_near": 20,
    },
    enough_pruning: {
        "attack": "spear_pruned", "defense.share": 0.5, "recovered": 1.0, "details.open": 10.0,
    },
    exact_recovery: {
        "attack": "spear_peeling_beside_svd", "dataset.normalize": True, "sparsity_matching": 1.0,
        "details.svd_ratio": 2.0,
    },
    input_sparsity: {
        "network": "trained", "status": "exact", "details.found": 20.0, "mae": 0.1,
    },
    paper_sampling: {"submatrices": 10},
    peeling: {"attack": "spear_peeling"},
    transformer_blocks: {
        "network": "bert", "network.training": False, "directions": 20, "state_error": 1e-6,
    },
}  # fmt: skip


@pytest.mark.parametrize("module", CELLS, ids=lambda module: module.__name__)
def test_a_cell_of_one_batch_is_a_row(module):
    one = batches("psnr", "seconds", **SIZES, psnr_bound=50.0, **CELLS[module])[1:2]
    shown = only(module.table(one))
    assert any(text in ("1/1", "1") or "(1/1)" in text or "1/1," in text for text in shown.values())
    assert not any("nan" in text for text in shown.values())


def test_the_noise_beside_the_gradient_is_that_of_its_batch_size():
    """0.1 C / b = 0.005 of DP-SGD on the sum, against 0.01."""
    one = batches("psnr", "seconds", **SIZES, psnr_bound=[50.0, 50.0, 50.0, 90.0])
    shown = only(enough_noise.table(one.assign(**CELLS[enough_noise])))
    assert (shown["noise / |g|"], shown["bound [dB]"], shown["directions"]) == (
        "0.5",
        "60.0",
        "100%",
    )
    assert shown["PSNR [dB]"] == "12.5 ± 21.7"


def test_the_map_of_table_9_tells_its_widest_interval():
    """Half of Student's interval of 1, 1, 3, 45 is 34.5, and of 2, 4 it is 12.7."""
    measure = mean("psnr")
    cells = [
        Cell({}, "psnr", measure, 40.0, 0.0, ours[:0], ours)
        for ours in (batches("psnr")[:0], batches("psnr"), pd.DataFrame({"psnr": [2.0, 4.0]}))
    ]
    assert "2 to 4 batches per cell" in table9._intervals(cells)
    assert "within ± 34.5 dB; the paper gives no intervals" in table9._intervals(cells)
    assert table9._intervals(cells[:1]) == ""


def test_panels_of_enough_tell_the_most_batches_of_a_point():
    row = {"batch_size": 20, "recovered": 0.5}
    parts = [
        pd.DataFrame([row | {panel.column: value} for value in (0.1, 0.1, 0.1, 0.2)])
        .assign(experiment=panel.experiment)
        for panel in enough.PANELS
    ]  # fmt: skip
    sizes = [pd.concat(parts).assign(batch_size=b) for b in enough.SIZES]
    for axes in enough.draw(pd.concat(sizes)).axes:
        assert axes.get_xlabel().endswith("\n(3 batches per point)")


def test_curves_have_no_points_where_nothing_was_run():
    frame = pd.DataFrame({"psnr": [1.0, 2.0], "psnr_bound": [3.0, 4.0]})
    cells = [
        Cell({"E": str(e)}, "psnr", mean("psnr"), 40.0, 0.0, frame[:0], ours)
        for e, ours in ((1, frame), (5, frame[:0]))
    ]
    axes = Figure().subplots()
    curves._psnr(axes, cells, "E")
    bound = next(line for line in axes.lines if line.get_linestyle() == "--")
    assert [*bound.get_xdata()] == [1.0]
    assert [*bound.get_ydata()] == [3.5]
