"""Order in which the pairs of a chain are tried, and the layers around a solved one."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from spear.inversion.network.consistency import agrees_in_front
from spear.inversion.network.propagation import gradients_given_inputs
from spear.inversion.pair.problem import PairProblem
from spear.observation import LayerChain
from spear.reconstruction import Reconstruction, Status


def by_condition(problems: list[PairProblem | Status]) -> list[int]:
    """Return places of the problems with the most inputs, from the best conditioned G1 on.

    A pair of fewer inputs than another one hides some: their gradients are below its rounding.
    """
    sizes = [each.b for each in problems if isinstance(each, PairProblem)]
    conditions = {
        place: float(each.first.singular_values[0] / each.first.singular_values[-1])
        for place, each in enumerate(problems)
        if isinstance(each, PairProblem) and each.b == max(sizes)
    }
    return sorted(conditions, key=lambda place: conditions[place])


def of_layer_behind(chain: LayerChain, inputs: Tensor, found: Reconstruction) -> Reconstruction:
    """Return the reconstruction of the layer that is wanted, behind the one that was solved.

    Args:
        chain: the layers.
        inputs: of the wanted one (b x n).
        found: of the solved one.
    """
    gradients, _ = gradients_given_inputs(chain.layers[chain.wanted], inputs)
    return replace(
        found,
        inputs=inputs.cpu(),
        activation_gradients=gradients.cpu(),
        disaggregation=gradients.new_zeros(0, 0).cpu(),
        sparsity_matching=float("nan"),
    )


def fits_in_front(
    chain: LayerChain,
    place: int,
    found: Reconstruction,
    before: Callable[[int, Reconstruction], Reconstruction],
) -> bool:
    """Tell whether nothing in front of a layer contradicts its inputs, as far as they lead.

    Args:
        chain: the layers.
        place: of the layer, counted from 0.
        found: its inputs.
        before: of the layer at a place, given those of the next one.
    """
    device = chain.layers[0].weight.device
    while agrees_in_front(chain, place, found.inputs.to(device)):
        if place == 0:
            return True
        place -= 1
        found = before(place, found)
        if found.status is not Status.EXACT:
            return True
    return False
