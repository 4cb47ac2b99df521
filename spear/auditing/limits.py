"""Bounds that the tests of an audit share."""

from spear.budget import Budget

CONFIRMED = 1e-5
"""Largest residual of a re-simulation that confirms a reconstruction. For float32 gradients the
residual is some 1e-7; inputs with a relative error of 0.001 leave 1e-4 and more."""


LEAST_CHECK = 1.0
"""Seconds that a test of inputs may take if the attack on their layer has left none."""


class OutOfTime(Exception):
    """The audit's budget was used up."""


def in_time(budget: Budget) -> None:
    """Stop a test whose time is over.

    Raises:
        OutOfTime: it is.
    """
    if budget.over():
        raise OutOfTime
