"""Appendix B.2: submatrices that suffice for all b directions with probability 1 - p.

Lemma B.2 (p_fr = 0) beside the expected number of Lemma 5.2. The paper: about 4e4 for b = 10 and
p = 1e-8, and about 1.8e5 expected for b = 16 (Sec. 5.2).
"""

import pandas as pd

from spear.analysis.statistics.measures import count
from spear.inversion.sampling.lemmas import n_total_bound, n_total_expected

EXPERIMENTS = ()

PAPER = {(10, 1e-8): "4e4"}
PAPER_EXPECTED = {16: "1.8e5"}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each batch size and probability."""
    return pd.DataFrame(
        {
            "b": f"{b}",
            "p": f"{p:.0e}".replace("e-0", "e-"),
            "expected (Lemma 5.2)": count(n_total_expected(b)),
            "paper": PAPER_EXPECTED.get(b, ""),
            "n^p (Lemma B.2)": count(n_total_bound(b, p)),
            "paper ": PAPER.get((b, p), ""),
        }
        for b in (10, 16, 20, 24)
        for p in (1e-2, 1e-8)
    )
