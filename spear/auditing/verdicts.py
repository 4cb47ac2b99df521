"""Verdicts of an audit on a layer, and the equations of the attacks behind them."""

from enum import StrEnum


class Equation(StrEnum):
    """Property of an update that determines the inputs of a layer."""

    GRADIENT = "gradient"
    """dL/dZ has zeros: a ReLU follows the layer (Sec. 3.2)."""
    INPUT = "input"
    """X has zeros: a ReLU precedes the layer."""
    PAIR = "pair"
    """The next layer's update tells the activations (docs/theory/layer-pairs.md)."""
    UNBIASED = "unbiased"
    """The same without a bias: the activation's shape or the loss tells the lengths of inputs."""
    STEPS = "local_steps"
    """The same at the mean weights of several local steps."""

    @property
    def of_pair(self) -> bool:
        """Return whether it is of two layers in a row."""
        return self in (Equation.PAIR, Equation.UNBIASED, Equation.STEPS)


class Verdict(StrEnum):
    """Outcome for a layer, worst for the client first.

    Only `EXACT` claims that the layer's inputs were reconstructed exactly.
    """

    EXACT = "exact"
    """The equation holds everywhere, and the network gives exactly this update."""
    CONSISTENT = "consistent"
    """The equation holds, but the audit could not tell whether the network gives this
    update for these inputs alone. They are right if the update is an unaltered gradient."""
    UNCONFIRMED = "unconfirmed"
    """The equation holds, but the network does not give this update for these inputs:
    it is no single gradient of this loss, or it was altered."""
    APPROXIMATE = "approximate"
    """The inputs are as right as the noise in the update allows. They leak in part even if a
    defense made the noise."""
    PARTIAL = "partial"
    """The attack ended before all inputs were found."""
    NOTHING = "nothing"
    """The attack cannot begin: the layer's update is zero, or has full rank."""
    NOT_APPLICABLE = "not_applicable"
    """The method does not apply to the layer. Another method may."""
    INVALID = "invalid"
    """The layer's update is not valid: it has a NaN or a wrong shape."""
