"""An ensemble of reconstructions of the same batch, pooled into one."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from spear.data.tabular import TableDomain


def pooled(ensemble: Tensor, best: int, domain: TableDomain) -> Tensor:
    """The median over reconstructions, entry by entry, after matching each one's rows.

    Args:
        ensemble: R x b x n, as the network receives them, each in its own order of rows.
        best: the reconstruction whose order is taken.
        domain: of the table; rows are matched by their values (`TableDomain.distances`).

    Returns:
        b x n. Categories are not projected.
    """
    target = domain.values(ensemble[best])
    aligned = []
    for each in ensemble:
        cost = domain.distances(domain.values(each), target)
        _, order = linear_sum_assignment(cost.numpy())
        aligned.append(each[torch.from_numpy(order).to(each.device)])
    return torch.stack(aligned).quantile(0.5, dim=0)
