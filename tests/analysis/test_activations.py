"""Tables over activation and batch size."""

import pandas as pd

from spear.analysis.statistics.activations import by_batch_size
from spear.analysis.tables import (
    activations_b20,
    activations_fedavg,
    activations_noise,
    activations_unbiased,
)
from spear.analysis.tables.activations import table


def results() -> pd.DataFrame:
    rows = [
        (depth, activation, b, activation == "gelu", 100.0 + b)
        for depth in (2, 6)
        for activation in ("gelu", "tanh")
        for b in (4, 8)
        for _ in range(3)
    ]
    names = ["network.depth", "network.activation", "batch_size", "exact", "psnr"]
    return pd.DataFrame(rows, columns=names).assign(attack="spear_pair")


def test_each_combination_is_a_row_and_each_batch_size_a_column():
    found = by_batch_size(results(), {"network.activation": "activation", "network.depth": "L"})
    assert list(found.columns) == ["activation", "L", "b = 4", "b = 8"]
    assert len(found) == 4
    row = found[(found["activation"] == "gelu") & (found["L"] == "6")].iloc[0]
    assert row["b = 4"] == "3/3, 104.0"


def test_a_batch_size_that_was_not_run_is_empty():
    some = results()
    some = some[(some["network.activation"] == "gelu") | (some["batch_size"] == 4)]
    found = by_batch_size(some, {"network.activation": "activation", "network.depth": "L"})
    assert (found[found["activation"] == "tanh"]["b = 8"] == "").all()


def test_batches_for_which_the_loss_was_asked_are_rows_of_their_own():
    asked = results()[results()["network.activation"] == "tanh"].assign(attack="spear_network")
    found = table(pd.concat([results(), asked.assign(exact=True)]))
    wide = found[found["next layer"] == "wide next layer"].set_index("activation")["b = 4"]
    shares = wide.str.split(",").str[0].to_dict()
    assert shares == {"gelu": "3/3", "tanh": "0/3", "tanh, loss": "3/3"}


def test_a_wide_next_layer_comes_before_the_classifier():
    found = table(results())
    assert found["next layer"].tolist() == ["wide next layer"] * 2 + ["classifier"] * 2
    assert found["activation"].tolist() == ["gelu", "tanh"] * 2


def test_the_loss_or_the_activation_tells_lengths_without_biases():
    some = results().replace({"network.activation": {"gelu": "relu"}})
    found = activations_unbiased.table(some)
    assert found["lengths by"].tolist() == ["loss", "activation, signs: loss"]


def updates(rate: float, recovered: list[float]) -> pd.DataFrame:
    """Batches after local steps, whose shares of recovered pictures are given."""
    rows = [
        ("gelu", 8, 2, attack, rate, share, 10.0 + 80.0 * share)
        for attack in ("spear_pair", "spear_pair_fedavg")
        for share in recovered
    ]
    keys = ["network.activation", "batch_size", "fedavg.epochs", "attack", "fedavg.learning_rate"]
    return pd.DataFrame(rows, columns=[*keys, "recovered", "psnr"])


def test_a_batch_after_local_steps_is_whole_with_all_of_its_pictures():
    found = activations_fedavg.table(pd.concat([updates(0.1, [1.0, 0.875]), updates(0.01, [1.0])]))
    assert found["at weights"].tolist() == ["first", "mean"]
    assert found["eta = 0.01"].tolist() == ["1/1, 90.0"] * 2
    assert found["eta = 0.1"].tolist() == ["1/2, 85.0"] * 2


def test_noise_stands_beside_its_bound_and_the_gradient():
    rows = [("tanh", 10, std, 30.0, 32.0, 0.5, 1e-4) for std in (1e-05, 1e-06) for _ in range(2)]
    names = ["network.activation", "batch_size", "defense.noise_std", "psnr", "psnr_bound"]
    found = activations_noise.table(
        pd.DataFrame(rows, columns=[*names, "recovered", "gradient_median"])
    )
    assert list(found.columns) == ["activation", "b", "sigma = 1e-06", "sigma = 1e-05"]
    assert found["sigma = 1e-05"].tolist() == ["30.0 of 32.0, 50%", "0.1 to 0.1"]


def test_times_of_activations_stand_beside_those_of_relu():
    names = ["network.depth", "network.activation", "exact", "psnr", "seconds"]
    rows = [(2, "relu", True, 140.0, 1.0), (2, "gelu", False, 130.0, 3.0)]
    found = activations_b20.table(pd.DataFrame(rows, columns=names)).set_index("activation")
    assert found.loc["gelu", "exact"] == "0/1"
    assert found.loc["gelu", "ratio"] == "3.00"
    assert found.loc["relu", "ratio"] == "1.00"
