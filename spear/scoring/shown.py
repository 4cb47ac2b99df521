"""Content of figures and tables: images or readable rows of a batch, and their reconstructions."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from spear.data.tabular import TableDomain
from spear.scoring.matched import Matched, in_float64


def shown_images(matched: Matched) -> tuple[Tensor, Tensor] | None:
    """Return the original images and, in their order, the reconstructed ones.

    Returns:
        Two stacks b x C x H x W, de-normalised and clipped to [0, 1], or None if the attacked
        layer's inputs are not images.
    """
    if not matched.are_images:
        return None
    return matched.true.clamp(0.0, 1.0), matched.found.clamp(0.0, 1.0)


def shown_rows(matched: Matched) -> tuple[TableDomain, Tensor, Tensor] | None:
    """Return the original rows of a table and, in their order, the reconstructed ones.

    Rows are matched so that the fewest entries are wrong
    (`spear.data.tabular.TableDomain.distances`).

    Returns:
        The table's domain and two stacks of values (b x features, `TableDomain.values`), or None
        if the attacked layer's inputs are not rows of a table.
    """
    table = matched.dataset.domain
    if not isinstance(table, TableDomain) or not matched.are_inputs:
        return None
    inputs = in_float64(matched.reconstruction.inputs)
    inputs = inputs[inputs.isfinite().all(dim=1)]
    true = in_float64(matched.truth.inputs)
    # What is missing is a row of zeros, as for the other metrics.
    inputs = torch.cat([inputs, torch.zeros_like(true)[len(inputs) :]])
    values, found = table.values(true), table.values(inputs)
    _, order = linear_sum_assignment(table.distances(found, values).numpy())
    return table, values, found[torch.from_numpy(order)]
