"""What an audit finds out, layer by layer, in types that a report can render."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from torch import Tensor

from spear.inversion.descent.cost import TimeForecast
from spear.layers import Sparsity


class Verdict(StrEnum):
    """What became of a layer. Only `EXACT` claims that its inputs were reconstructed exactly."""

    EXACT = "exact"
    """The ReLU pattern matches everywhere, and the network gives just this update for them."""
    CONSISTENT = "consistent"
    """The pattern of zeros matches, but whether the network gives this update for them, and for
    them alone, could not be told: they are right if the update is an unaltered gradient."""
    UNCONFIRMED = "unconfirmed"
    """The pattern of zeros matches, but the network does not give this update for them: it is no
    single gradient of this loss, or it was altered."""
    APPROXIMATE = "approximate"
    """As right as the noise in the update allows; where that is a defense, part of them leaks."""
    PARTIAL = "partial"
    """The attack ended before all inputs were found; those that were may still be right."""
    NOTHING = "nothing"
    """There is nothing to find: the update is zero, or as many inputs as the layer is wide."""
    NOT_APPLICABLE = "not_applicable"
    """The method does not apply to the layer. Another one may."""
    INVALID = "invalid"
    """The update of the layer is none: a NaN, a wrong shape."""


@dataclass(frozen=True)
class Applicability:
    """Whether the method applies to a layer, as far as the network alone says.

    Attributes:
        side: where the zeros are that the attack lives on; None where it does not apply.
        reasons: why, in sentences without a full stop.
    """

    side: Sparsity | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Spectrum:
    """What the singular values of a layer's update say, without any attack.

    Attributes:
        rank: how many inputs are behind it.
        signal_to_noise: its smallest signal over what is behind the last of them.
        white: whether the noise is independent from entry to entry, as a defense's is and that of
            weights after local steps; otherwise it is rounding.
        inactive: share of the neurons that no input activates.
    """

    rank: int
    signal_to_noise: float
    white: bool
    inactive: float


@dataclass(frozen=True)
class Resimulation:
    """Whether the network gives the observed update for the reconstructed inputs.

    Attributes:
        residual: largest relative error of the update of any parameter at and behind the layer, up
            to one scale for all; NaN where it could not be tried.
        scale: that scale: 1 where the update is the gradient of the loss itself.
        labels: of the reconstructed inputs, in their order; those that fit best.
        obstacle: why it could not be tried, or empty.
        parameters: names of those whose update was compared.
    """

    residual: float
    scale: float
    labels: Tensor | None
    obstacle: str = ""
    parameters: tuple[str, ...] = ()

    @classmethod
    def impossible(cls, obstacle: str) -> "Resimulation":
        """One that could not be tried."""
        return cls(math.nan, math.nan, None, obstacle)


@dataclass(frozen=True)
class Recovery:
    """What the attack got out of a layer.

    Attributes:
        status: how the attack ended (`spear.Status`).
        message: the same as a sentence.
        inputs: one a row (found x n), as the layer receives them; those found come first.
        found: how many of them are true directions, as far as the attack can tell.
        sparsity_matching: lambda (Definition 4.1).
        sparsity: share of zeros in the reconstructed factor that the attack lives on.
        twins: pairs of inputs that are nearly equal.
        seconds: of the attack.
        resimulation: the test by the rest of the network.
        error: largest relative error of an input, where the true batch was given; else NaN.
    """

    status: str
    message: str
    inputs: Tensor
    found: int
    sparsity_matching: float
    sparsity: float
    twins: int
    seconds: float
    resimulation: Resimulation
    error: float = math.nan


@dataclass(frozen=True)
class LayerFinding:
    """All about one layer.

    Attributes:
        name: as in `named_modules()`.
        m, n: its outputs and inputs.
        verdict: what became of it.
        reasons: why, in sentences without a full stop.
        side: where the zeros are that the attack lives on, if on any.
        spectrum, forecast, recovery: as far as it came; None beyond that.
        shape: of one of its inputs where these are the network's own, else None.
    """

    name: str
    m: int
    n: int
    verdict: Verdict
    reasons: tuple[str, ...]
    side: Sparsity | None = None
    spectrum: Spectrum | None = None
    forecast: TimeForecast | None = None
    recovery: Recovery | None = None
    shape: tuple[int, ...] | None = None

    def explains(self, other: "LayerFinding") -> bool:
        """Whether the inputs found here were seen to give the update of another layer, too."""
        return (
            self.recovery is not None
            and f"{other.name}.weight" in self.recovery.resimulation.parameters
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON: everything but the reconstructed inputs and the labels; NaN becomes None."""
        return _plain(self)


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        layers: of each fully connected layer.
        notes: about the network and the update as a whole.
        seconds: that it took.
    """

    layers: tuple[LayerFinding, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """The worst of the layers' for the client, `NOT_APPLICABLE` without any."""
        order = list(Verdict)
        found = [order.index(layer.verdict) for layer in self.layers]
        return order[min(found)] if found else Verdict.NOT_APPLICABLE

    def __getitem__(self, name: str) -> LayerFinding:
        """The finding of the layer called `name`.

        Raises:
            KeyError: there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)

    @property
    def consequences(self) -> dict[str, tuple[str, ...]]:
        """Layers that leak by way of another: what they received follows from its inputs.

        Returns:
            A layer whose inputs are exact -> others that are not, but whose update those inputs
            give, too, through the model.
        """
        exact = [layer for layer in self.layers if layer.verdict is Verdict.EXACT]
        others = [layer for layer in self.layers if layer.verdict is not Verdict.EXACT]
        given = {
            layer.name: tuple(each.name for each in others if layer.explains(each))
            for layer in exact
        }
        return {name: names for name, names in given.items() if names}

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "verdict": str(self.verdict),
            "seconds": self.seconds,
            "notes": list(self.notes),
            "consequences": {name: list(each) for name, each in self.consequences.items()},
            "layers": [layer.to_dict() for layer in self.layers],
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.tolist() if not value.is_floating_point() else list(value.shape)
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value
