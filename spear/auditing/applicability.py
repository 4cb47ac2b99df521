"""Decision by which equation a layer can be attacked, with the reasons."""

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor, nn

from spear.activations.named import elementwise
from spear.auditing.findings import Applicability
from spear.auditing.verdicts import Equation
from spear.layers import LinearLayer
from spear.pairs import is_activated, is_pair
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
        "batch norm in evaluation mode stands between it and what follows, and is not of the layer "
        "alone: it has a weight of 0, a parameter of either is tied or computed from others, or "
        "something else uses the layer's outputs, too"
    ),
}


def applicability(
    layer: LinearLayer,
    gradients: Mapping[str, Tensor],
    model: nn.Module,
    following: LinearLayer | None = None,
) -> Applicability:
    """Return the equation that determines a layer's inputs: its zeros, or else the next layer's.

    Args:
        layer: the layer, with its neighbours in the network.
        gradients: the update: name of each parameter -> gradient.
        model: whose layer it is.
        following: the linear layer called `layer.next`, if there is one.
    """
    obstacle = _obstacle(layer, gradients, model)
    if obstacle:
        return Applicability(None, (obstacle,))
    if surroundings_unknown(layer):
        unknown = "its neighbours in the network are not known; the attack and its test decide"
        return Applicability(Equation.GRADIENT, (unknown,))
    if {RELU} in (layer.after, layer.before):
        return _by_zeros(layer)
    if following is not None and is_pair(layer) and layer.activation is not None:
        words, hidden = layer.activation.words, _hidden(following, gradients, model)
        if hidden:
            return Applicability(None, (f"{words} follows it, but {hidden}",))
        reason = f"{words} follows it and then {following.name}, whose update tells the activations"
        return Applicability(Equation.PAIR, (reason, *_remarks(layer)))
    before_it, after_it = described(*layer.before), described(*layer.after)
    reason = f"no ReLU on either side of it: {before_it} before, {after_it} after"
    return Applicability(None, (next(_why(layer), reason),))


def _by_zeros(layer: LinearLayer) -> Applicability:
    """Return the equation of a layer with a ReLU after it, before it, or both."""
    after, before = layer.after == {RELU}, layer.before == {RELU}
    if after and Station.DROPOUT not in layer.beyond:
        reason = "a ReLU follows it, so that about half of dL/dZ is zero"
        return Applicability(Equation.GRADIENT, (reason, *_remarks(layer)))
    if not before:
        return Applicability(
            None,
            (
                "a ReLU follows it, but dropout in training mode comes next: a dropped neuron "
                "looks like an inactive one, so that nothing can be proven",
            ),
        )
    if not _is_followed_by_nonlinearity(layer):
        return Applicability(
            None,
            (
                f"a ReLU precedes it, but {described(*layer.after)} follows, which may be narrower "
                "than the batch, so that the rank of the update need not be the number of inputs",
            ),
        )
    reasons = ["a ReLU precedes it, so that its inputs have zeros and are never negative"]
    if after:
        reasons.append(
            "a ReLU follows it, too, but dropout after that hides which neurons are inactive"
        )
    return Applicability(Equation.INPUT, (*reasons, *_remarks(layer)))


def without_bias(
    layer: LinearLayer,
    gradients: Mapping[str, Tensor],
    model: nn.Module,
    following: LinearLayer | None,
    to_loss: bool,
) -> Applicability:
    """Return whether the next layer determines the inputs of a layer that shares no bias gradient.

    Args:
        layer, gradients, model, following: see `applicability`.
        to_loss: whether the layer leads to a mean cross-entropy of hard labels through layers
            without biases and homogeneous activations.
    """
    no_bias = "it has no bias" if layer.module.bias is None else "its bias is frozen"
    obstacle = _not_its_own(layer, model, ("weight",))
    if not obstacle and f"{layer.name}.weight" not in gradients:
        obstacle = "the update does not contain its weight"
    if obstacle:
        return Applicability(None, (obstacle,))
    if following is None or layer.activation is None or not is_activated(layer):
        return Applicability(
            None,
            (
                f"{no_bias}, by whose gradient the attack would find the scale of each input, "
                "and no activation whose derivatives are known and linear layer follow it",
            ),
        )
    words, hidden = layer.activation.words, _hidden(following, gradients, model)
    if hidden:
        return Applicability(None, (f"{words} follows it, but {hidden}",))
    sigma = elementwise(layer.activation, dict(model.named_parameters()))
    if sigma.pieces is not None and not to_loss:
        return Applicability(
            None,
            (
                f"{no_bias}, and {words} follows it, which does not tell the scale of an input; "
                "the loss does if no layer up to the outputs has a bias and a ReLU, leaky or not, "
                "follows each",
            ),
        )
    reason = (
        f"{no_bias}, but {words} follows it and then {following.name}, whose update tells the "
        "activations"
    )
    return Applicability(Equation.UNBIASED, (reason, *_remarks(layer)))


def shares_no_bias(layer: LinearLayer, gradients: Mapping[str, Tensor]) -> bool:
    """Return whether an update has no gradient of a layer's bias because nobody trains one."""
    bias = layer.module.bias
    return bias is None or (not bias.requires_grad and f"{layer.name}.bias" not in gradients)


def _hidden(following: LinearLayer, gradients: Mapping[str, Tensor], model: nn.Module) -> str:
    """Reason that the update does not show the gradient of the next layer's weight."""
    reason = _not_its_own(following, model, ("weight",))
    if reason:
        return f"of the next layer, {following.name}, {reason}"
    if f"{following.name}.weight" not in gradients:
        return f"the update does not contain the weight of the next layer, {following.name}"
    return ""


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


def _not_its_own(
    layer: LinearLayer, model: nn.Module, parts: Sequence[str] = ("weight", "bias")
) -> str:
    """Reason that the update has no gradient of a part of the layer that is of this layer alone."""
    for part in parts:
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
