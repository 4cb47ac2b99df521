"""Tokens that are missing yet, by the equations of their positions alone.

Once the known tokens have left the gradients, each missing token has a row p of the rest, with
s . p = 1 and u = R^T p. With r = a p, and so a = s . r, its equations at position p are linear in r
(`spear.vision.positions`):

    Q^T g_p = Q^T [C (R^T r - (s . r) beta_2) / gamma_2; 0] = A r,    C centring.

A is the same for all positions. Two missing tokens of one position solve A (r - r') = 0. So r is
known up to as many directions as tokens are missing beyond the first of each position. If no
position misses two, each solution is a token, and nothing has to be searched. With one image this
is so from the start. With more images it finds the tokens of which rounding leaves too little to
the search, such as those of a clear sky.
"""

from collections import Counter

import torch
from torch import Tensor

from spear.inversion.pair.peeling import Rest, Samples
from spear.vision.open_directions import CORRECTED, WELL, Positioning
from spear.vision.positions import place
from spear.vision.token_equations import TokenEquations

OVERDETERMINED = 2
"""Least number of equations for each unknown: with as many, a row that fits no position keeps a
residual of 0.7 and more."""


def completed(test: Positioning, samples: Samples) -> Tensor | None:
    """Return the rows of all tokens (b x b), or None if the missing ones are not told.

    Args:
        test: of the first block, for the whole problem.
        samples: of that problem. One that does not fit a position well counts as missing, as its
            error would enter all others.
    """
    known, missing = _known(test, samples)
    if max(missing.values(), default=1) > 1 or min(missing.values(), default=0) < 0:
        return None
    if not missing:
        return known.rows
    whole = Rest.whole(test.problem)
    rest = whole.without(known) if len(known) else whole
    sums = rest.problem.first.bias_coordinates
    norm = test.block.before_feed_forward
    states = rest.row_map @ test.problem.first.right
    directions = norm.directions(states + norm.bias - sums[:, None] * norm.bias)
    found = []
    for system in test.systems:
        wanted = [i for i, at in enumerate(system.positions.tolist()) if at in missing]
        if wanted:
            rows = _solved(system, wanted, directions)
            if rows is None:
                return None
            found.append(rows / (rows @ sums)[:, None])
    return torch.cat([known.rows, torch.cat(found) @ rest.row_map])


def _known(test: Positioning, samples: Samples) -> tuple[Samples, Counter[int]]:
    """Samples that fit a position well, and how many tokens each position misses beside them."""
    batch, others = divmod(test.problem.b, test.block.tokens)
    missing = Counter(dict.fromkeys(range(test.block.tokens), batch + (others > 0)))
    states = samples.rows @ test.problem.first.right
    placed = place(test.block.before_feed_forward.directions(states), test.systems)
    well = placed.residuals <= WELL
    missing.subtract(placed.positions[well].tolist())
    return samples[well], Counter({at: count for at, count in missing.items() if count})


def _solved(system: TokenEquations, wanted: list[int], directions: Tensor) -> Tensor | None:
    """r at the positions wanted (k x b'); None if one of them has no solution."""
    if system.spare < OVERDETERMINED * len(directions):
        return None
    columns = directions @ system.null_space[: directions.shape[1]]
    constants = system.constants[wanted] @ system.null_space
    solutions = torch.linalg.lstsq(columns.T, constants.T, driver="gelsd").solution.T
    rest = torch.linalg.vector_norm(constants - solutions @ columns, dim=1)
    right = rest < CORRECTED * torch.linalg.vector_norm(constants, dim=1)
    return solutions if bool(right.all()) else None
