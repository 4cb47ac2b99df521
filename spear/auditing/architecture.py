"""Layers of a model that could leak, told from its architecture alone: no weights, no update.

A layer leaks by the equation of `spear.auditing.applicability`, as long as the batch is small
enough for it. The counts here say from which size on its unknowns outnumber its equations, or the
rank is full. They are limits of the method, which a search may fail to reach, and no bound on other
attacks.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from spear.activations.elementwise import Elementwise
from spear.activations.named import elementwise
from spear.auditing.applicability import applicability
from spear.auditing.images import most_by_counting
from spear.auditing.verdicts import Equation
from spear.auditing.victim import locate, outputs, overlooked
from spear.errors import VictimError
from spear.inversion.pair.planned_search import PairSearch
from spear.layers import LinearLayer
from spear.naming import unwrapped
from spear.transformer.standard import is_standard, standard
from spear.vision.first_block import first_block

if TYPE_CHECKING:
    import pandas as pd

EQUATIONS = {
    Equation.GRADIENT: "zeros of dL/dZ",
    Equation.INPUT: "zeros of X",
    Equation.PAIR: "two layers",
}
"""Equation -> its name in a line."""


@dataclass(frozen=True)
class LayerForecast:
    """Forecast for a fully connected layer.

    Attributes:
        name: of the layer in the model.
        m, n: numbers of its outputs and inputs.
        equation: by which its inputs would be found; None if the method does not apply.
        reasons: for this, in sentences without a full stop.
        most: largest batch of the model's inputs that the equation can determine; 0 if none.
    """

    name: str
    m: int
    n: int
    equation: Equation | None
    reasons: tuple[str, ...]
    most: int


@dataclass(frozen=True)
class Architecture:
    """Forecasts for all layers of an architecture.

    Attributes:
        layers: its fully connected layers, in order of execution.
        notes: remarks on the whole model, in sentences without a full stop.
    """

    layers: tuple[LayerForecast, ...]
    notes: tuple[str, ...]

    @property
    def leaking(self) -> tuple[LayerForecast, ...]:
        """Layers by which some batch could leak."""
        return tuple(each for each in self.layers if each.most)

    @property
    def most(self) -> int:
        """Largest batch that could leak by any layer; 0 if none could."""
        return max((each.most for each in self.layers), default=0)

    @property
    def headline(self) -> str:
        """Return one sentence on the whole."""
        if not self.leaking:
            return "No fully connected layer could leak by this method; others were not looked at."
        names = ", ".join(each.name for each in self.leaking[:4])
        more = len(self.leaking) - 4
        return (
            f"{len(self.leaking)} of {len(self.layers)} fully connected layers could leak "
            f"({names}{f' and {more} more' if more > 0 else ''}), in batches of up to {self.most}."
        )

    def text(self) -> str:
        """Return the whole as text for a terminal."""
        lines = [self.headline, ""]
        for each in self.layers:
            ending = f"by {EQUATIONS[each.equation]}" if each.equation else "not by this method"
            upto = f", up to {each.most} inputs" if each.most else ""
            lines += [f"{each.name} ({each.n} to {each.m}): {ending}{upto}"]
            lines += [f"  {reason}." for reason in each.reasons]
        lines += ["", *(f"{note}." for note in self.notes)]
        return "\n".join(lines).rstrip() + "\n"

    def to_frame(self) -> "pd.DataFrame":
        """Return a row for each layer."""
        import pandas as pd

        return pd.DataFrame(
            {
                "layer": each.name,
                "m": each.m,
                "n": each.n,
                "equation": str(each.equation or ""),
                "most": each.most,
                "reasons": "; ".join(each.reasons),
            }
            for each in self.layers
        )

    def __repr__(self) -> str:
        return (
            f"<Architecture: {len(self.leaking)} of {len(self.layers)} layers, up to {self.most}>"
        )

    def _repr_html_(self) -> str:
        table: str = self.to_frame().to_html(index=False, border=0)
        return f"<p><b>{html.escape(self.headline)}</b></p>{table}"


def architecture(model: nn.Module, input_shape: tuple[int, ...] | None = None) -> Architecture:
    """Return which layers of a model could leak, by which equation, up to which batch.

    Args:
        model: in the mode (train or eval) in which clients train it; its weights do not matter. It
            is not changed.
        input_shape: shape of one of its inputs; usual shapes are tried unless given.

    Raises:
        VictimError: the model does not take inputs of the given shape.
    """
    model = unwrapped(model)
    network = model if is_standard(model) else standard(model).network
    layers, example, note = locate(network, input_shape, None)
    classes = outputs(network, example)
    present = {name: each for name, each in network.named_parameters() if each.requires_grad}
    found = tuple(_forecast(layer, layers, present, network, classes) for layer in layers)
    notes = tuple(each for each in (note, *overlooked(network, layers), _images(model)) if each)
    return Architecture(found, notes)


def _forecast(
    layer: LinearLayer,
    layers: Sequence[LinearLayer],
    parameters: Mapping[str, Tensor],
    network: nn.Module,
    classes: int,
) -> LayerForecast:
    m, n = layer.module.weight.shape
    following = next((each for each in layers if each.name == layer.next), None)
    applies = applicability(layer, parameters, network, following)
    rows = 0
    if applies.equation is Equation.GRADIENT:
        rows = most_by_zeros(m, n)
    elif applies.equation is Equation.INPUT:
        rows = most_by_zeros(n, m - 1 if layer.is_last else m)
    elif applies.equation is Equation.PAIR and following is not None and layer.activation:
        sigma = elementwise(layer.activation, parameters)
        ranks = classes - 1 if following.is_last else min(following.module.weight.shape)
        rows = most_by_pair(m, n, ranks, sigma)
    most = max(rows, 0) // max(1, layer.positions * layer.calls)
    return LayerForecast(layer.name, m, n, applies.equation, applies.reasons, most)


def most_by_zeros(sparse: int, other: int) -> int:
    """Return the largest number of inputs that zeros of a factor can be expected to determine.

    A direction needs b - 1 zeros of full rank (Theorem 3.3) and one more to be told from others; a
    ReLU leaves about half of the entries zero. The rank must be below both dimensions (Theorem
    3.1).

    Args:
        sparse: rows of the factor with zeros.
        other: rank that the other factor can have: its entries, one less behind a softmax.
    """
    return min(sparse // 2, sparse - 1, other - 1)


def most_by_pair(m: int, n: int, ranks: int, activation: Elementwise) -> int:
    """Return the largest number of inputs that a layer pair can determine (`PairSearch.limit`).

    Args:
        m, n: outputs and inputs of the first layer.
        ranks: largest rank of the second layer's gradient; behind a softmax, classes less one.
        activation: the one between the layers.
    """
    searches = (PairSearch(b, m, n, min(b, ranks), activation) for b in range(1, min(m, n)))
    fitting = (each.b for each in searches if not each.is_full_rank and each.limit <= m)
    return max(fitting, default=0)


def _images(model: nn.Module) -> str:
    """Return a note on the images of a vision transformer; "" of another model."""
    try:
        block = first_block(model)
    except VictimError:
        return ""
    return (
        "its patches give images back, too (`spear.recover_images`): up to "
        f"{most_by_counting(block)} by counting equations"
    )
