"""The effect of an update's errors on L q, and the entries that are zeros in spite of them.

Row j of L is G_j V S^-1 sqrt(m'), so that an error E of the update G moves (L q)_j by
sqrt(m') E_j V S^-1 q. Two kinds of errors are told apart, by the singular values that the rank-b
part leaves over.

*Rounding.* The errors of a float32 gradient are far below its smallest signal, and not independent:
flat areas of an image repeat them over thousands of pixels, and they add up (to 100 times as much
as independent ones, at 224 x 224 pixels). S_{b+1} shows the sum of the strongest common pattern,
and therefore sets the scale.

*White noise.* A defense's noise is independent from entry to entry, and so are the errors of an
update that is the difference of two rounded weights. Its singular values follow the law of
Marchenko and Pastur, between sigma |sqrt m - sqrt n| and sigma (sqrt m + sqrt n), and its strength
makes the singular values and vectors of the signal themselves inexact (Benaych-Georges and
Nadakuditi, "The singular values and vectors of low rank perturbations of large rectangular random
matrices", 2012).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

FLUCTUATIONS = 4.0
"""Distance beyond the edges of their law at which the extreme singular values of white noise may
be, in units of their fluctuation (Johnstone, "On the distribution of the largest eigenvalue in
principal components analysis", 2001)."""

NEARLY_WHITE = 3.0
"""Largest ratio of S_{b+1} to the edge of white noise at which noise is still treated as white."""

LEAST_BULK = 32
"""Least number of singular values for a test of their law."""

WEAKEST = 0.1
"""Least share of a squared singular value that is taken for signal."""


NEAR_ZERO = 0.28
"""Share of the entries of a true L q that are not zeros though smaller than e, divided by e: half
of them are not, of root mean square sqrt(2), and a normal density is 0.56 near zero."""

EXPECTED_SMALL = 1e-4
"""Expected number of entries smaller than the largest zero in the whole of dL/dZ."""


@dataclass(frozen=True)
class Noise:
    """Deviation of each entry of L q, and the bands of its test for zero.

    Attributes:
        rows: scale of the error in each active row (m').
        gains: g (b), so that the error of (L q)_j has the deviation rows_j sqrt(sum_t g_t q_t^2).
        right: deviation of an entry of R, if that is not negligible.
        zero, not_zero: bounds in deviations: entries up to the first are zeros, entries beyond
            the second are not, and the rest is open.
        white: whether the errors are independent.
    """

    rows: Tensor
    gains: Tensor
    right: float
    zero: float
    not_zero: float
    white: bool

    def deviation(self, directions: Tensor) -> Tensor:
        """Deviation of the entries of L q for unit columns q (b x k); m' x k, positive."""
        gain = (self.gains[:, None] * directions.square()).sum(dim=0).sqrt()
        deviation = self.rows[:, None] * gain[None, :]
        return deviation.clamp(min=torch.finfo(deviation.dtype).tiny)

    def angle(self, directions: Tensor) -> Tensor:
        """Angle by which each of the unit columns may move without a visible change of L q (k).

        By an angle a the entries of L q move by a in root mean square.
        """
        return self.deviation(directions).square().mean(dim=0).sqrt()

    def hidden_states(self, directions: Tensor) -> Tensor:
        """Expected share of the m neurons whose state the zero test gets wrong, for each q (k).

        Exact zeros hide nothing.
        """
        if not self.white:
            return torch.zeros_like(directions[0])
        return NEAR_ZERO * self.zero * self.angle(directions)


def rounding_noise(spread: Tensor, singular_values: Tensor, remainder: float) -> Noise:
    """The errors of an update that was computed in floating point and shared as it is.

    True zeros were seen up to 3.7 units, although in real images nearly all are below 0.1. Between
    these bounds, an entry counts as a zero if no other entries as small are expected in the whole
    of dL/dZ. Such entries are expected in large batches of un-normalised inputs.

    Args:
        spread: root mean square of each row of G - L R (m').
        singular_values: S_1..S_b.
        remainder: S_{b+1}.
    """
    relative = spread / (spread.square().mean().sqrt() + torch.finfo(torch.float64).tiny)
    decomposition = 4 * torch.finfo(torch.float64).eps * float(singular_values[0])
    rows, gains = relative * remainder + decomposition, singular_values.square().reciprocal()
    unit = float((rows.square().mean() * gains.max()).sqrt())
    smaller = NEAR_ZERO * len(rows) * len(gains) * unit
    return Noise(
        rows=rows,
        gains=gains,
        right=0.0,
        zero=min(max(EXPECTED_SMALL / smaller, 0.1), 4.0),
        not_zero=12.0,
        white=False,
    )


def white_noise(spread: Tensor, singular_values: Tensor, remainder: float, n: int) -> Noise:
    """Independent errors that reach the singular values.

    Noise turns a signal theta into S^2 = (theta^2 + sigma^2 n)(theta^2 + sigma^2 m) / theta^2, and
    makes the share sigma^2 m' (theta^2 + sigma^2 n) / theta^4 of its left vector noise.

    Args:
        spread: root mean square of each row of G - L R (m').
        singular_values: S_1..S_b.
        remainder: S_{b+1}; what it has more than white noise scales the deviations.
        n: columns of G.
    """
    variance = spread.square().mean()
    excess = max(1.0, remainder / white_edge(spread, n))
    signal = signal_strengths(singular_values, float(variance), len(spread), n)
    return Noise(
        rows=spread * len(spread) ** 0.5 * excess,
        gains=(1 + variance * n / signal) / signal,
        right=float(variance / len(spread)) ** 0.5,
        zero=2.5,
        not_zero=4.0,
        white=True,
    )


def white_edge(spread: Tensor, n: int) -> float:
    """Largest singular value expected of white noise with these row deviations (m'), n columns."""
    return float(spread.square().mean().sqrt()) * (len(spread) ** 0.5 + n**0.5)


def signal_strengths(singular_values: Tensor, variance: float, m: int, n: int) -> Tensor:
    """theta^2 of the signals behind noisy singular values S (the inverse of the formula above)."""
    squares = singular_values.square()
    half = (squares - variance * (m + n)) / 2
    root = (half.square() - variance**2 * m * n).clamp(min=0.0).sqrt()
    return torch.maximum(half + root, WEAKEST * squares)


def white_noise_rank(singular_values: Tensor, m: int, n: int) -> int | None:
    """Number of singular values above white noise.

    Args:
        singular_values: all min(m, n) of an m x n matrix, descending.

    Returns:
        The smallest rank beyond which all other singular values follow the law of Marchenko and
        Pastur; None if no rank up to half of their number does.
    """
    for rank in range(len(singular_values) // 2):
        if looks_white(singular_values, rank, m, n):
            return rank
    return None


def looks_white(singular_values: Tensor, rank: int, m: int, n: int) -> bool:
    """Return whether the singular values (all min(m, n)) after the first `rank` are white noise."""
    rest = singular_values[rank:]
    if len(rest) < LEAST_BULK:
        return False
    rows, columns = (m - rank) ** 0.5, (n - rank) ** 0.5
    variance = float(rest.square().sum()) / (rows * columns) ** 2
    upper, lower = rows + columns, abs(rows - columns)
    above = FLUCTUATIONS * upper * (1 / rows + 1 / columns) ** (1 / 3)
    below = FLUCTUATIONS * lower * abs(1 / rows - 1 / columns) ** (1 / 3)
    return (
        float(rest[0]) ** 2 <= variance * (upper**2 + above)
        and float(rest[-1]) ** 2 >= variance * (lower**2 - below)
        and variance > 0
    )
