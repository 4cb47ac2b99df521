"""Decision to which layers the method applies, with the reasons."""

from collections.abc import Iterator, Mapping

from torch import Tensor

from spear.auditing.findings import Applicability
from spear.layers import LinearLayer, Sparsity
from spear.tracing.activations import RELU, Activation
from spear.tracing.neighbours import Neighbour, Station, described

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


def applicability(layer: LinearLayer, gradients: Mapping[str, Tensor]) -> Applicability:
    """Return the side of a layer on which there are the zeros that the attack needs (Sec. 3.2).

    Args:
        layer: the layer, with its neighbours in the network.
        gradients: the update: name of each parameter -> gradient.
    """
    obstacle = _obstacle(layer, gradients)
    if obstacle:
        return Applicability(None, (obstacle,))
    if layer.after == {Station.UNKNOWN}:
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


def _why(layer: LinearLayer) -> Iterator[str]:
    """Reason that is known for the only neighbour that follows a layer, if there is one."""
    return (WHY[each] for each in layer.after if len(layer.after) == 1 and each in WHY)


def _is_followed_by_nonlinearity(layer: LinearLayer) -> bool:
    """Return whether nothing behind the layer can lower the rank of its dL/dZ."""
    behind = layer.beyond if layer.after <= {Station.DROPOUT, *WHY} else layer.after
    return len(behind) == 1 and all(
        each is Station.OUTPUTS or isinstance(each, Activation) for each in behind
    )


def _obstacle(layer: LinearLayer, gradients: Mapping[str, Tensor]) -> str:
    if f"{layer.name}.bias" not in dict(layer.module.named_parameters(layer.name)):
        return "it has no bias, but the attack finds the scale of each input by the bias gradient"
    missing = [part for part in ("weight", "bias") if f"{layer.name}.{part}" not in gradients]
    if missing:
        return f"the update does not contain its {' and '.join(missing)} (frozen?)"
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
