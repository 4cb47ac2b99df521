"""Statements that the paper makes on Figures 4 to 8, each with the number of the records.

Algorithm 1 with information sets, and the descent where it is named. Intervals of 95 %: of ratios
of medians by the bootstrap over batches, of shares by Clopper and Pearson. "in part": some cells
bear the statement out, and others do not. Figures 1, 9 and 10 to 13 show images; Figure 3 and
Appendix B.2 are theory (`appendix_b2`).

- Figure 4, ratio: the narrow layer needs less here than there, for a reason that is not known.
- Figure 6: each candidate is refitted here before its zeros are counted, so that no false one has
  more zeros than a true one; `ablation_from_paper` has Algorithm 1 without the refit.
- Figure 7: on MNIST a column of this network's dL/dZ falls below tau in every batch around 600
  steps. The paper names neither its learning rate nor its checkpoints.
- Figure 8: the lemma takes zeros for independent, and those of real images are not.
"""

from collections.abc import Callable

import pandas as pd

from spear.analysis.paper.said import P_FALSE_REJECT, PAPER_LIMIT, PAPER_RATIO
from spear.analysis.paper.verdicts import of_share
from spear.analysis.statistics.measures import count, exact, exact_interval
from spear.analysis.statistics.statements import (
    NO,
    OPEN,
    PARTLY,
    YES,
    agreeing,
    beside_lemma,
    failures,
    ratio_of_medians,
)
from spear.inversion.sampling.lemmas import (
    n_total_expected,
    p_fail_approximation,
    p_fail_bound,
)

EXPERIMENTS = (
    "figure4", "figure4_b18_to_b24", "figure5_width", "figure5_depth", "figure5_width_sampling",
    "figure6", "figure6_b18_to_b24", "figure7", "figure7_sampling", "figure8",
)  # fmt: skip

WIDE, NARROW = 2000, 200
STEPS = "network.steps"

FULL_RANK = 8
"""Least b at which random rows of zeros have the rank that the laws suppose
(docs/theory/sampling.md)."""

Found = tuple[str, str, str, str]
"""Statement, the paper's number, ours, and the verdict."""


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each statement."""
    rows = [(figure, *function(results)) for figure, function in STATEMENTS]
    columns = ["figure", "statement", "the paper", "run here", "borne out"]
    return pd.DataFrame(rows, columns=columns)


def _of(results: pd.DataFrame, *experiments: str) -> pd.DataFrame:
    return results[results["experiment"].isin(experiments)]


def _figure4(results: pd.DataFrame, m: int) -> pd.DataFrame:
    found = _of(results, "figure4", "figure4_b18_to_b24")
    return found[found["network.width"] == m]


def _range(low: float, high: float) -> str:
    texts = dict.fromkeys(f"{each:.0f}" for each in (low, high))
    return " to ".join(texts)


def narrow_over_wide(results: pd.DataFrame) -> Found:
    """Submatrices at m = 200 over those at m = 2000, at the largest b that both have."""
    narrow, wide = (_figure4(results, m) for m in (NARROW, WIDE))
    b = max({*narrow["batch_size"]} & {*wide["batch_size"]})
    first, second = (each.loc[each["batch_size"] == b, "submatrices"] for each in (narrow, wide))
    ratio = ratio_of_medians(first, second)
    held = ratio.low <= PAPER_RATIO <= ratio.high
    said = f"submatrices at m = {NARROW} over those at m = {WIDE}"
    return said, f"about {PAPER_RATIO}", f"{ratio} at b = {b}", YES if held else NO


def law_of_the_wide_layer(results: pd.DataFrame) -> Found:
    """Median submatrices at m = 2000 over the law of the sampler, for each b from `FULL_RANK`."""
    medians = _figure4(results, WIDE).groupby("batch_size")["submatrices"].median()
    pairs = [(int(str(b)), float(n)) for b, n in medians.items() if int(str(b)) >= FULL_RANK]
    ratios = {b: n / n_total_expected(b, per_draw=b) for b, n in pairs}
    low, high = min(ratios.values()), max(ratios.values())
    lemma = {b: n / n_total_expected(b) for b, n in pairs}
    most = max(lemma)
    text = (
        f"median {low:.2f} to {high:.2f} times the law of information sets over b = {min(ratios)} "
        f"to {most}; {lemma[most]:.2f} times Lemma 5.2 at b = {most}"
    )
    said = f"m = {WIDE} follows the expected number of submatrices"
    return said, "perfectly described", text, YES if low >= 0.5 and high <= 2 else NO


def accuracy_at_the_limit(results: pd.DataFrame) -> Found:
    """Share of batches at b = 24, m = 200 that end within N = 2e9 submatrices."""
    b, most, share = PAPER_LIMIT
    narrow = _figure4(results, NARROW)
    found = narrow[narrow["batch_size"] == b]
    said = f"batches of {b} at m = {NARROW} exact within {count(most)} submatrices"
    largest = narrow["batch_size"].max()
    if found.empty:
        row = exact(narrow[narrow["batch_size"] == largest], "batch_size").iloc[0]
        text = f"not run; {row['n_exact']:.0f}/{row['n']:.0f} at b = {largest}"
        return said, f"{share} %", text, OPEN
    right = int(found["exact"].sum())
    sign = of_share(right, len(found), share)
    verdict = PARTLY if sign is None else (YES if sign == 0 else NO)
    return said, f"{share} %", f"{right}/{len(found)}", verdict


def accuracy_by_size(results: pd.DataFrame) -> Found:
    """Shares of exact batches over the width and over the depth, by descent."""
    width = exact_interval(_of(results, "figure5_width"), "network.width")
    depth = exact_interval(_of(results, "figure5_depth"), "network.depth")
    both = pd.concat([width, depth])
    low, high = 100 * both["share"].min(), 100 * both["share"].max()
    text = (
        f"{_range(low, high)} % for m = {width['network.width'].min()} to "
        f"{width['network.width'].max()} and L = {depth['network.depth'].min()} to "
        f"{depth['network.depth'].max()} (descent)"
    )
    said = "accuracy independent of width and depth"
    return said, "flat curve", text, YES if agreeing(both) else NO


def submatrices_by_width(results: pd.DataFrame) -> Found:
    """Median submatrices at b = 20 over the width."""
    found = _of(results, "figure4_b18_to_b24", "figure5_width_sampling")
    medians = found[found["batch_size"] == 20].groupby("network.width")["submatrices"].median()
    said = "fewer submatrices in wider layers"
    text = ", ".join(f"{count(n)} at m = {m}" for m, n in medians.items())
    return said, "falling curve", text, YES if medians.is_monotonic_decreasing else NO


def stage_two(results: pd.DataFrame) -> Found:
    """Accuracy with the second stage less that without it, over b."""
    shares = _of(results, "figure6", "figure6_b18_to_b24").pivot_table(
        index="batch_size", columns="attack.swaps", values="exact", aggfunc="mean"
    )
    gain = 100 * (shares[True] - shares[False])
    text = (
        f"gain of {_range(gain.min(), gain.max())} points over b = {gain.index.min()} to "
        f"{gain.index.max()}"
    )
    grows = gain.iloc[-1] > gain.iloc[0]
    return "stage two matters more the larger b is", "growing gap", text, YES if grows else NO


def accuracy_in_training(results: pd.DataFrame) -> Found:
    """Least accuracy of Algorithm 1 on MNIST before step 5,000, and that at 1,000 steps."""
    found = _of(results, "figure7_sampling")
    shares = found.groupby([STEPS, "dataset.split"])["exact"].mean().mul(100).unstack()
    early = shares[shares.index < shares.index.max()].mean(axis=1)
    at = shares.loc[1000]
    text = (
        f"{early.min():.0f} % at {early.idxmin():,.0f} steps, {at.min():.0f} and {at.max():.0f} % "
        "at 1,000 (Algorithm 1)"
    )
    said = "accuracy drops slightly around 1,000 steps of training"
    return said, "slightly", text, YES if early.min() >= 80 else NO


def submatrices_in_training(results: pd.DataFrame) -> Found:
    """Median submatrices before training and at its end, of exact batches."""
    found = _of(results, "figure7_sampling")
    medians = found[found["exact"]].groupby(STEPS)["submatrices"].median()
    first, last = medians.iloc[0], medians.iloc[-1]
    text = (
        f"{count(first)} at {medians.index[0]:.0f}, {count(last)} at "
        f"{medians.index[-1]:,.0f} steps (exact batches)"
    )
    said = "a trained network takes fewer submatrices than an untrained one"
    return said, "falling curve", text, YES if last < first else NO


def failures_and_lemma(results: pd.DataFrame) -> Found:
    """Cells whose share of failures lies between approximation and bound of Lemma 5.3."""
    batches = _of(results, "figure8")
    found = failures(
        batches, batches["findable"] < batches["batch_size"], ["batch_size", "network.width"]
    )
    pairs = [(int(b), int(m)) for b, m in found[["batch_size", "network.width"]].to_numpy()]
    bound = [p_fail_bound(b, m, P_FALSE_REJECT) for b, m in pairs]
    close = [p_fail_approximation(b, m, P_FALSE_REJECT) for b, m in pairs]
    cells = beside_lemma(found, bound, close)
    most = 100 * (found["share"] - bound).max()
    text = (
        f"{cells['between']} of {len(found)} cells within the intervals, {cells['above']} above "
        f"the bound, {cells['below']} below the approximation; at most {most:.1f} points above"
    )
    said = "failures between approximation and upper bound"
    verdict = YES if cells["between"] == len(found) else PARTLY
    return said, "always below the bound", text, verdict


STATEMENTS: tuple[tuple[str, Callable[[pd.DataFrame], Found]], ...] = (
    ("4", law_of_the_wide_layer),
    ("4", narrow_over_wide),
    ("4", accuracy_at_the_limit),
    ("5", accuracy_by_size),
    ("5", submatrices_by_width),
    ("6", stage_two),
    ("7", accuracy_in_training),
    ("7", submatrices_in_training),
    ("8", failures_and_lemma),
)
"""Figure and function of each statement."""
