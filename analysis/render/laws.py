"""Expected submatrices of Algorithm 1 against the batch size, as two lines of a figure."""

import numpy as np
from matplotlib.axes import Axes

from spear.analysis.render import style
from spear.inversion.sampling.lemmas import n_total_expected


def draw_laws(axes: Axes, b: np.ndarray) -> None:
    """Draw Lemma 5.2, for independent submatrices, and the law of information sets.

    Args:
        axes: of a logarithmic ordinate that counts submatrices.
        b: batch sizes, at least 2.
    """
    sizes = [int(each) for each in b]
    independent = [n_total_expected(each) for each in sizes]
    clustered = [n_total_expected(each, per_draw=each) for each in sizes]
    for label, law, line in (
        ("expected, independent (Lemma 5.2)", independent, "--"),
        ("expected, information sets", clustered, ":"),
    ):
        axes.plot(b, law, line, color=style.GREY, label=label, zorder=1)
