"""Statistics of tables and figures: closed forms, scipy's own, and both sides of each limit."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import beta, spearmanr

from spear.analysis.paper.comparison import cell_of, key_text
from spear.analysis.paper.verdicts import (
    WIDEST,
    WIDEST_OF_MEAN,
    batches_needed,
    of_mean,
    of_share,
    paper_half,
)
from spear.analysis.statistics import labels, measures
from spear.analysis.statistics.paired import paired
from spear.analysis.statistics.privacy import DELTA, ORDERS, epsilon
from spear.analysis.statistics.rank_correlation import correlation, gain, spearman


def gaussian_epsilon(multiplier: float, delta: float) -> float:
    """Renyi's alpha / (2 sigma^2), converted as in Balle et al. (2020), at the best alpha."""

    def at(log: float) -> float:
        alpha = 1 + math.exp(log)
        renyi = alpha / (2 * multiplier**2)
        tail = (math.log(delta) + math.log(alpha)) / (alpha - 1)
        return renyi + math.log((alpha - 1) / alpha) - tail

    return float(minimize_scalar(at, bounds=(-12, 8), method="bounded").fun)


@pytest.mark.parametrize("multiplier", [0.004, 0.1, 0.9, 1.0, 5.0])
def test_epsilon_is_the_gaussian_mechanisms(multiplier):
    assert DELTA == 1e-5
    found = epsilon(multiplier)
    assert 1 - 1e-9 < found / gaussian_epsilon(multiplier, 1e-5) < 1.01  # at one of its orders
    assert epsilon(multiplier, delta=1e-3) < found
    # n updates are one with noise smaller by sqrt(n)
    assert epsilon(multiplier, steps=4) == pytest.approx(epsilon(multiplier / 2), rel=1e-9)


def test_epsilon_of_multiplier_one_is_below_five_and_none_is_infinite():
    assert epsilon(1.0) == pytest.approx(4.755, abs=5e-3)
    assert epsilon(0.0) == math.inf


def test_rank_correlation_is_scipys_with_ties():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 6, (2, 40)).astype(float)
    expected = spearmanr(first, second).statistic
    assert spearman(first, second) == pytest.approx(expected)
    found = correlation(first, second)
    assert found is not None
    assert found.value == pytest.approx(expected)
    # Fisher's interval of 40 pairs is 0.31 to either side of a rho near 0
    assert found.high - found.low == pytest.approx(0.62, abs=0.12)
    assert found.low < found.value < found.high
    both = gain(first, second, first + 0.1 * second)
    assert both is not None
    ours, theirs = (spearmanr(each, first + 0.1 * second).statistic for each in (first, second))
    assert both.value == pytest.approx(abs(ours) - abs(theirs))


@pytest.mark.parametrize("odd", [np.ones(5), np.array([1.0, 2, 3, 4, np.nan])])
def test_a_constant_or_missing_series_has_no_correlation(odd):
    assert correlation(odd, np.arange(5.0)) is None


def test_a_paired_difference_is_ours_less_theirs():
    ours = pd.Series([3.0, 5.0, 4.0, 9.0, 7.0, 6.0], index=[0, 1, 2, 3, 4, 5])
    others = pd.Series([1.0, 6.0, 2.0, 4.0, 4.0], index=[0, 1, 2, 3, 4])
    found = paired(ours, others)
    assert (found.mean, found.wins, found.n) == (pytest.approx(11 / 5), 4, 5)
    assert found.low < found.mean < found.high
    # ranks of 2, -1, 2, 5, 3: the only loss has rank 1, as have 2 of 32 signs at most
    assert found.p == pytest.approx(0.125, abs=0.02)


def test_a_picture_on_which_both_are_equal_is_no_win():
    values = pd.Series([2.0, 3.0, 1.0, 1.0])
    assert paired(values, pd.Series([1.0] * 4)).wins == 2


def test_labels_that_are_missing_count_as_wrong():
    batches = pd.DataFrame(
        {
            "labels_exact": [1.0, 0.5, 1.0, np.nan],
            "label_accuracy": [1.0, 0.75, 1.0, np.nan],
            "label_l1": [0.0, 0.2, 0.0, np.nan],
            "label_l2": [0.0, 0.1, 0.0, np.nan],
        }
    )
    assert labels.exact(batches) == "2/4"
    assert labels.right_class(batches) == "69%"
    assert labels.error(batches, "l1") == "3.0e-01"
    assert labels.error(batches, "l2") == "2.8e-01"


def test_a_share_in_a_wide_interval_decides_nothing():
    """Clopper and Pearson: 26 of 26 have 13.2 points, 16 of 16 have 20.6, 17 of 17 have 19.5."""
    assert WIDEST == 20.0
    assert of_share(17, 17, 90) == 0
    assert of_share(16, 16, 90) is None
    assert of_share(16, 16, 79.0) == 1
    assert of_share(0, 16, 21.0) == -1


def test_a_mean_in_a_wide_interval_decides_nothing():
    """Two values 1 apart: half of Student's interval is 12.706 / sqrt 2 of a deviation of 0.707."""
    assert WIDEST_OF_MEAN == 0.1
    two = pd.Series([99.5, 100.5])
    half = measures.half_width(two)
    assert half == pytest.approx(6.353, abs=1e-3)
    assert of_mean(two, 106.3) == 0
    assert of_mean(two, 106.4) == -1
    assert of_mean(two, 93.6) == 1
    assert of_mean(two, 93.7) == 0
    low = pd.Series([59.5, 60.5])
    assert of_mean(low, 63.0) is None  # 6.35 is more than a tenth of 63
    assert of_mean(low, 63.0, paper_half=7.0) == 0
    assert of_mean(low, -63.6 + 120, paper_half=0.0) is None
    assert of_mean(-low, -63.0) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(119.9, "120 s"), (120.0, "2 min"), (7199.0, "120 min"), (7200.0, "2 h"), (172_799.0, "48 h"),
     (172_800.0, "2 days"), (9.96, "10 s"), (0.0, "0 s")],
)  # fmt: skip
def test_a_unit_begins_at_two_of_it(seconds, text):
    assert measures.duration(seconds) == text


def test_counts_change_form_at_a_million():
    assert measures.count(999_999) == "999,999"
    assert measures.count(1_000_000) == "1.0e6"
    assert measures.count(1e10) == "1.0e10"


def test_a_share_of_pictures_has_students_interval_within_zero_and_one():
    frame = pd.DataFrame({"b": [1, 1, 1, 2, 2, 3], "share": [0.2, 0.4, 0.6, 1.0, 0.9, 0.5]})
    table = measures.mean_interval(frame, "b", "share")
    # deviation 0.2 of three: 4.303 * 0.2 / sqrt 3
    assert table["median"].tolist() == pytest.approx([0.4, 0.95, 0.5])
    assert table["low"].tolist() == pytest.approx([0.0, 0.315, 0.5], abs=1e-3)
    assert table["high"].tolist() == pytest.approx([0.897, 1.0, 0.5], abs=1e-3)
    assert table["n"].tolist() == [3, 2, 1]


def test_a_spread_is_of_its_own_group():
    frame = pd.DataFrame({"b": [1] * 11 + [2] * 2, "x": [*range(11), 5.0, 7.0]})
    table = measures.spread(frame, "b", "x")
    assert table.loc[0, ["median", "low", "high"]].tolist() == pytest.approx([5.0, 1.0, 9.0])
    assert table.loc[1, "median"] == 6.0


def test_half_an_interval_shrinks_by_different_batches_only():
    values = pd.Series([1.0, 2.0, 3.0, 4.0])
    assert measures.half_width(values, different=2) == pytest.approx(
        12.706 * values.std() / math.sqrt(2), rel=1e-3
    )
    assert measures.with_interval(values[:1]) == "1.0"


def test_a_value_that_is_the_papers_itself_is_equal():
    assert of_mean(pd.Series([5.0, 5.0]), 5.0) == 0
    assert of_mean(pd.Series([0.0, 0.0]), 0.0) == 0
    assert of_mean(pd.Series([5.0]), 5.0) is None


@pytest.mark.parametrize("paper", [0.0, 3.0, 50.0, 97.5, 100.0])
def test_so_many_batches_make_the_interval_narrow_enough(paper):
    """Clopper and Pearson by the beta distribution; 0.025^(1/17) is 0.805."""
    n = batches_needed(paper)
    if paper in (0.0, 100.0):
        assert n == 17

    def width(n: int) -> float:
        k = round(n * paper / 100)
        low = beta.ppf(0.025, k, n - k + 1) if k else 0.0
        high = beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
        return 100 * (high - low)

    assert width(n) <= 20
    assert all(width(fewer) > 20 for fewer in range(1, n))


def test_an_interval_that_the_paper_does_not_give_is_none():
    row = pd.Series({"psnr": 1.0, "psnr_interval": 2.5, "lpips_interval": np.nan})
    assert [paper_half(row, each) for each in ("psnr", "lpips", "mae")] == [2.5, 0.0, 0.0]


def test_orders_of_the_accountant_go_from_next_to_one_to_a_thousand():
    assert len(ORDERS) == 71
    assert (ORDERS[0], ORDERS[10], ORDERS[-1]) == pytest.approx((1.0001, 1.001, 1001.0), rel=1e-12)


def test_a_deviation_takes_two_batches_and_no_value_is_a_dash():
    assert measures.with_deviation(pd.Series([1.0, 2.0])) == "1.5 ± 0.7"
    assert measures.with_deviation(pd.Series([1.0])) == "1.0"
    assert measures.with_deviation(pd.Series([np.nan, np.nan])) == "-"
    # 12.706 * 0.7071 / sqrt 2
    assert measures.with_interval(pd.Series([1.0, 2.0]), ".2f", ".1f") == "1.50 ± 6.4"


@pytest.mark.parametrize(("ratio", "text"), [(0.5, "0.5 x"), (9.96, "10 x"), (1234.0, "1,200 x")])
def test_ratios_have_two_digits(ratio, text):
    assert measures.times(ratio) == text


@pytest.mark.parametrize(
    ("key", "text"),
    [(0.10, "0.1"), (1e-5, "1e-05"), (200, "200"), (True, "True"), ("MNIST", "MNIST"),
     (np.nan, "-")],
)  # fmt: skip
def test_keys_of_cells_are_told_as_text(key, text):
    assert key_text(key) == text


@pytest.mark.parametrize(("relative", "same"), [(0.9e-9, True), (1.1e-9, False)])
def test_a_number_is_a_cells_up_to_rounding(relative, same):
    ours = pd.DataFrame({"defense.noise_std": [1e-4 * (1 + relative), 1e-4 * (1 - relative)]})
    found = cell_of(ours, pd.Series({"sigma": 1e-4}), {"sigma": "defense.noise_std"})
    assert len(found) == 2 * same
    anything = cell_of(ours, pd.Series({"sigma": np.nan}), {"sigma": "defense.noise_std"})
    assert len(anything) == 2


def test_a_share_that_is_the_papers_itself_is_equal_at_both_ends():
    assert of_share(17, 17, 100.0) == 0
    assert of_share(0, 17, 0.0) == 0
    assert of_share(17, 17, 0.0) == 1
    assert of_share(0, 17, 100.0) == -1
