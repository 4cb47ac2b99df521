"""Decision to which layers the method applies, with the reasons."""

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from spear.auditing.findings import Applicability
from spear.layers import LinearLayer, Sparsity
from spear.tracing.activations import RELU, Activation
from spear.tracing.neighbours import Neighbour, Operation, Station, described

CHOICES = ("Where", "Maximum", "MaskedFill")
"""Operations by which a network may write a ReLU."""

WHY: dict[Neighbour, str] = {
    Station.BATCH_STATISTICS: (
        "batch norm in training mode stands between it and what follows: through the batch's "
        "statistics the gradient of each sample reaches all others, so that dL/dZ has no zeros"
    ),
    Station.BATCH_NORM: (
        "batch norm in evaluation mode stands between it and what follows; fold it into the layer "
        "(torch.nn.utils.fusion.fuse_linear_bn_eval) and audit the folded network"
    ),
}


def applicability(
    layer: LinearLayer, gradients: Mapping[str, Tensor], model: nn.Module
) -> Applicability:
    """Return the side of a layer on which there are the zeros that the attack needs (Sec. 3.2).

    Args:
        layer: the layer, with its neighbours in the network.
        gradients: the update: name of each parameter -> gradient.
        model: whose layer it is.
    """
    obstacle = _obstacle(layer, gradients, model)
    if obstacle:
        return Applicability(None, (obstacle,))
    if surroundings_unknown(layer):
        unknown = "its neighbours in the network are not known; the attack and its test decide"
        return Applicability(Sparsity.GRADIENT, (unknown,))
    after, before = layer.after == {RELU}, layer.before == {RELU}
    if after and Station.DROPOUT not in layer.beyond:
        reasons = ["a ReLU follows it, so that about half of dL/dZ is zero"]
        side = Sparsity.GRADIENT
    elif before and not _is_followed_by_nonlinearity(layer):
        return Applicability(
            None,
            (
                f"a ReLU precedes it, but {described(*layer.after)} follows, which may be narrower "
                "than the batch, so that the rank of the update need not be the number of inputs",
            ),
        )
    elif before:
        reasons = ["a ReLU precedes it, so that its inputs have zeros and are never negative"]
        if after:
            reasons.append(
                "a ReLU follows it, too, but dropout after that hides which neurons are inactive"
            )
        side = Sparsity.INPUT
    elif after:
        return Applicability(
            None,
            (
                "a ReLU follows it, but dropout in training mode comes next: a dropped neuron "
                "looks like an inactive one, so that nothing can be proven",
            ),
        )
    else:
        before_it, after_it = described(*layer.before), described(*layer.after)
        reason = f"no ReLU on either side of it: {before_it} before, {after_it} after"
        return Applicability(None, (next(_why(layer), reason),))
    return Applicability(side, (*reasons, *_remarks(layer)))


def surroundings_unknown(layer: LinearLayer) -> bool:
    """Return whether a ReLU may follow a layer unseen.

    It does not lead to the outputs as far as they are understood, or to an operation by which a
    network may write a ReLU.
    """
    return not layer.after or any(
        each is Station.UNKNOWN or (isinstance(each, Operation) and each.name in CHOICES)
        for each in layer.after
    )


def _why(layer: LinearLayer) -> Iterator[str]:
    """Reason that is known for the only neighbour that follows a layer, if there is one."""
    return (WHY[each] for each in layer.after if len(layer.after) == 1 and each in WHY)


def _is_followed_by_nonlinearity(layer: LinearLayer) -> bool:
    """Return whether nothing behind the layer can lower the rank of its dL/dZ."""
    behind = layer.beyond if layer.after <= {Station.DROPOUT, *WHY} else layer.after
    return len(behind) == 1 and all(
        each is Station.OUTPUTS or isinstance(each, Activation) for each in behind
    )


def _not_its_own(layer: LinearLayer, model: nn.Module) -> str:
    """Reason that the update has no gradient of the weight or bias that is of this layer alone."""
    for part in ("weight", "bias"):
        value = getattr(layer.module, part)
        every = model.named_parameters(remove_duplicate=False)
        names = [name for name, each in every if each is value]
        others = [name for name in names if name != f"{layer.name}.{part}"]
        if not names:
            return (
                f"its {part} is computed from other parameters (pruning, weight norm or another "
                "parametrisation), and the update has only the gradients of these"
            )
        if others:
            return f"its {part} is tied to {others[0]!r}, and the gradients of both uses add up"
        if not value.requires_grad:
            return f"its {part} is frozen (requires_grad is False), so that no update shows it"
    return ""


def _obstacle(layer: LinearLayer, gradients: Mapping[str, Tensor], model: nn.Module) -> str:
    if getattr(layer.module, "bias", None) is None:
        return "it has no bias, but the attack finds the scale of each input by the bias gradient"
    name = _not_its_own(layer, model)
    if name:
        return name
    missing = [part for part in ("weight", "bias") if f"{layer.name}.{part}" not in gradients]
    if missing:
        return f"the update does not contain its {' and '.join(missing)}"
    return ""


def _remarks(layer: LinearLayer) -> list[str]:
    remarks = []
    if layer.positions > 1:
        remarks.append(
            f"it works on {layer.positions} positions of each input, and each position counts as "
            "an input of its own"
        )
    if layer.calls > 1:
        remarks.append(f"it is used {layer.calls} times, and the inputs of every use count")
    return remarks
