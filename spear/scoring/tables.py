"""Rows of a table: share of right categories, and errors of numbers."""

import math
from collections.abc import Mapping

from spear.scoring.matched import Matched
from spear.scoring.metric import Metric, Value
from spear.scoring.shown import shown_rows


class Tables(Metric):
    """Errors of readable rows (`spear.scoring.shown.shown_rows`); NaN if there are none.

    - `discrete_accuracy`: share of the categories that are right.
    - `continuous_mae`: mean absolute error of the numbers, each in its own unit.
    - `tabular_accuracy`: share of all entries that are right, numbers to within
      `spear.data.tabular.TOLERANCE` (TabLeak: Vero et al., ICML 2023).
    """

    names = ("discrete_accuracy", "continuous_mae", "tabular_accuracy")

    def __call__(self, matched: Matched) -> Mapping[str, Value]:
        """Compare each row with the true one."""
        rows = shown_rows(matched)
        if rows is None:
            return dict.fromkeys(self.names, math.nan)
        table, true, found = rows
        right, discrete = ~table.wrong(found, true), table.is_discrete
        return {
            "discrete_accuracy": right[:, discrete].double().mean().item(),
            "continuous_mae": (found - true)[:, ~discrete].abs().mean().item(),
            "tabular_accuracy": right.double().mean().item(),
        }
