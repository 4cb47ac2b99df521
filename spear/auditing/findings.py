"""Findings of an audit, layer by layer, in types that a report can render."""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from torch import Tensor

from spear.errors import ConfigError
from spear.inversion.descent.cost import TimeForecast

if TYPE_CHECKING:
    import pandas as pd


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


@dataclass(frozen=True)
class Applicability:
    """Applicability of the method to a layer, judged by the network alone.

    Attributes:
        equation: the one that the attack solves; None if the method does not apply.
        reasons: for this, in sentences without a full stop.
    """

    equation: Equation | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Spectrum:
    """Facts from the singular values of a layer's update, without any attack.

    Attributes:
        rank: number of singular values that are signal. If the update is an unaltered gradient, at
            least as many different inputs are behind it.
        gap: whether the rest is smaller by far, so that it is only rounding.
        signal_to_noise: smallest singular value that belongs to the inputs, over the noise.
        white: whether the noise is independent from entry to entry, like that of a defense or of
            weights after local steps; otherwise it is rounding.
        inactive: share of the neurons that no input activates, in [0, 1].
    """

    rank: int
    gap: bool
    signal_to_noise: float
    white: bool
    inactive: float


@dataclass(frozen=True)
class Resimulation:
    """Comparison of the observed update with that of the reconstructed inputs.

    Attributes:
        residual: largest relative error of the update of any parameter at and behind the layer, up
            to one scale for all; NaN if there was no comparison.
        scale: that scale; 1 if the update is the gradient of the loss itself.
        labels: labels of the reconstructed inputs that fit best, in their order.
        obstacle: reason why there was no comparison; empty if there was one.
        parameters: names of the parameters whose update was compared.
        free: whether no labels explain the update, so that dL/d(outputs) was fitted to it.
    """

    residual: float
    scale: float
    labels: Tensor | None = field(repr=False)
    obstacle: str = ""
    parameters: tuple[str, ...] = ()
    free: bool = False

    @classmethod
    def impossible(cls, obstacle: str) -> "Resimulation":
        """Return the result of a comparison that an obstacle prevented."""
        return cls(math.nan, math.nan, None, obstacle)


@dataclass(frozen=True)
class Recovery:
    """Result of the attack on a layer.

    Attributes:
        status: end of the attack (`spear.Status`).
        message: the same as a sentence, without a full stop.
        inputs: one a row (b x n), as the layer receives them; those found come first.
        found: number of inputs that something proves right: all together the pattern of zeros and
            nothing refutes them, or each its own zeros if the update is an unaltered gradient. 0 if
            they are candidates only.
        candidates: number of inputs that are worth a look: those found, or all if only the model
            does not give this update for them.
        sparsity_matching: lambda in [0, 1] (Definition 4.1).
        sparsity: share of zeros in the reconstructed sparse factor, in [0, 1]; NaN without one.
        misfit: largest relative residual of the equations of a layer pair; NaN of another equation.
        twins: number of pairs of inputs that are nearly equal.
        seconds: wall time of the attack.
        resimulation: test of the inputs by the rest of the network.
        error: largest relative error of an input if the true batch is known, else NaN.
    """

    status: str
    message: str
    inputs: Tensor = field(repr=False)
    found: int
    candidates: int
    sparsity_matching: float
    sparsity: float
    twins: int
    seconds: float
    resimulation: Resimulation
    misfit: float = math.nan
    error: float = math.nan


@dataclass(frozen=True)
class LayerFinding:
    """Finding of the audit about a layer.

    Attributes:
        name: as in `named_modules()`.
        m, n: numbers of its outputs and inputs.
        verdict: outcome of the audit.
        reasons: for the outcome, in sentences without a full stop.
        equation: the one that the attack solves; None if there is none.
        spectrum, forecast, recovery: None if the audit did not come so far.
        shape: of one input if the layer receives the network's own inputs, else None.
        given: number of different inputs that the given batch has at this layer; None without a
            batch.
    """

    name: str
    m: int
    n: int
    verdict: Verdict
    reasons: tuple[str, ...]
    equation: Equation | None = None
    spectrum: Spectrum | None = None
    forecast: TimeForecast | None = None
    recovery: Recovery | None = None
    shape: tuple[int, ...] | None = None
    given: int | None = None

    def explains(self, other: "LayerFinding") -> bool:
        """Return whether the re-simulation from this layer included another layer's update."""
        return (
            self.recovery is not None
            and f"{other.name}.weight" in self.recovery.resimulation.parameters
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the finding for JSON, with the shape of each floating-point tensor in its place.

        NaN and infinity become None.
        """
        return _plain(self)


@dataclass(frozen=True)
class ReadText:
    """Text behind an update of a language model.

    Attributes:
        sequences: texts, or numbers of tokens without a tokenizer; those certified come first.
        certified: number of sequences whose states, by the model, are those of the update, and no
            other sequence's that was tried.
        complete: whether these explain all hidden states of the first block.
        obstacle: reason why none was read; empty if the attack ran.
    """

    sequences: tuple[str, ...] = field(repr=False)
    certified: int
    complete: bool
    obstacle: str = ""


@dataclass(frozen=True)
class SeenImages:
    """Images behind an update of a vision transformer.

    Attributes:
        images: those that are whole, then those with gaps, which are 0
            (k x channels x height x width).
        whole: number of whole ones.
        batch_size: images that leave a trace; 0 if nothing could be searched.
        most: the largest batch that equations of the first block tell.
        status: of the attack (`spear.Status`).
        seconds: wall time of the attack.
        obstacle: reason why nothing was searched; empty if the attack ran.
    """

    images: Tensor = field(repr=False)
    whole: int
    batch_size: int
    most: int
    status: str
    seconds: float = 0.0
    obstacle: str = ""


@dataclass(frozen=True)
class Audit:
    """Result of an audit.

    Attributes:
        layers: finding for each fully connected layer.
        notes: sentences about the network and the update as a whole, without a full stop.
        seconds: wall time of the audit.
        reading: what the update was taken for.
        read: text of a language model; None of another model.
        seen: images of a vision transformer; None of another model.
        premise: sentence without a full stop on which all findings rest, said before them; empty if
            there is none.
    """

    layers: tuple[LayerFinding, ...]
    notes: tuple[str, ...]
    seconds: float
    reading: str = ""
    read: ReadText | None = None
    seen: SeenImages | None = None
    premise: str = ""

    def __str__(self) -> str:
        """Return the report that `spear audit` prints."""
        from spear.auditing.report import text  # which imports this module

        return text(self).rstrip("\n")

    def __repr__(self) -> str:
        """Return the verdicts on one line."""
        layers = ", ".join(f"{layer.name}: {layer.verdict}" for layer in self.layers)
        return f"<Audit {self.verdict} ({layers or 'no layers'})>"

    def _repr_html_(self) -> str:
        """Return the verdict and a row per layer, for a notebook; `to_html` has all of it."""
        rows = self.to_frame().to_html(index=False, border=0)
        return f"<p><b>{self.verdict}</b>, {self.seconds:.1f} s</p>{rows}"

    def to_frame(self) -> "pd.DataFrame":
        """Return a data frame with a row per layer: its size, the verdict and what was found."""
        import pandas as pd  # which only those wait for who want a frame

        columns = ("layer", "m", "n", "verdict", "found", "candidates", "seconds", "reasons")
        rows = [
            (
                layer.name, layer.m, layer.n, str(layer.verdict),
                layer.recovery.found if layer.recovery else 0,
                layer.recovery.candidates if layer.recovery else 0,
                layer.recovery.seconds if layer.recovery else 0.0,
                "; ".join(layer.reasons),
            )
            for layer in self.layers
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=list(columns))

    def to_html(self, columns: list[str] | None = None) -> str:
        """Return the page that `spear audit --html` writes, with the inputs found.

        Args:
            columns: names of the model's inputs, if these are rows of a table.

        Raises:
            ConfigError: columns is a text, such as a file's name.
        """
        if isinstance(columns, str):
            raise ConfigError(
                f"columns is {columns!r}; expected a list of names. The page is returned: write it "
                "with pathlib.Path(...).write_text(page), or use `spear audit --html FILE`."
            )
        from spear.auditing.report import html  # which imports this module

        return html(self, columns)

    @property
    def verdict(self) -> Verdict:
        """Verdict on the layer that is worst for the client; `NOT_APPLICABLE` without layers."""
        order = list(Verdict)
        found = [order.index(layer.verdict) for layer in self.layers]
        return order[min(found)] if found else Verdict.NOT_APPLICABLE

    def __getitem__(self, name: str) -> LayerFinding:
        """Return the finding of the layer called `name`.

        Raises:
            KeyError: there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)

    @property
    def consequences(self) -> dict[str, tuple[str, ...]]:
        """Layers that leak through another one: their inputs follow from the inputs of that one.

        A layer whose inputs are exact -> layers whose inputs are not, but whose update the model
        gives for those exact inputs.
        """
        exact = [layer for layer in self.layers if layer.verdict is Verdict.EXACT]
        others = [layer for layer in self.layers if layer.verdict is not Verdict.EXACT]
        given = {
            layer.name: tuple(each.name for each in others if layer.explains(each))
            for layer in exact
        }
        return {name: names for name, names in given.items() if names}

    def to_dict(self) -> dict[str, Any]:
        """Return the audit for JSON, without reconstructed inputs."""
        return {
            "verdict": str(self.verdict),
            "update": self.reading,
            "seconds": self.seconds,
            "notes": [*filter(None, [self.premise]), *self.notes],
            "consequences": {name: list(each) for name, each in self.consequences.items()},
            "layers": [layer.to_dict() for layer in self.layers],
            **({} if self.read is None else {"text": _counts(self.read)}),
            **({} if self.seen is None else {"images": _numbers(self.seen)}),
        }


def _counts(read: ReadText) -> dict[str, Any]:
    """What was read, without the text itself."""
    return {
        "sequences": len(read.sequences),
        "certified": read.certified,
        "complete": read.complete,
        "obstacle": read.obstacle,
    }


def _numbers(seen: SeenImages) -> dict[str, Any]:
    """What was seen, without the images themselves."""
    return {
        "batch_size": seen.batch_size,
        "whole": seen.whole,
        "most": seen.most,
        "status": seen.status,
        "obstacle": seen.obstacle,
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
