"""To which layers the method applies, and why not to the others."""

from collections.abc import Mapping

from torch import Tensor

from spear.auditing.findings import Applicability
from spear.auditing.flow import DROPOUT, NONLINEAR, OUTPUTS, RELU, UNKNOWN, Flow
from spear.networks.fully_connected import Sparsity

MIXING = "batch norm in training mode"

WHY = {
    MIXING: (
        "batch norm in training mode stands between it and what follows: through the batch's "
        "statistics the gradient of each sample reaches all others, so that dL/dZ has no zeros"
    ),
    "batch norm": (
        "batch norm in evaluation mode stands between it and what follows; fold it into the layer "
        "(torch.nn.utils.fusion.fuse_linear_bn_eval) and audit the folded network"
    ),
}


def applicability(flow: Flow, gradients: Mapping[str, Tensor]) -> Applicability:
    """On which side of a layer the zeros are that the attack needs (Sec. 3.2), if on any.

    Args:
        flow: where the layer stands.
        gradients: the update, by parameter.
    """
    obstacle = _obstacle(flow, gradients)
    if obstacle:
        return Applicability(None, (obstacle,))
    if flow.after == UNKNOWN:
        unknown = "what stands around it is not known; the attack and its test decide"
        return Applicability(Sparsity.GRADIENT, (unknown,))
    after, before = flow.after == RELU, flow.before == RELU
    if after and DROPOUT not in flow.beyond:
        reasons = ["a ReLU follows it, so that about half of dL/dZ is zero"]
        side = Sparsity.GRADIENT
    elif before and not _is_followed_by_nonlinearity(flow):
        return Applicability(
            None,
            (
                f"a ReLU precedes it, but {flow.after} follows, which may be narrower than the "
                "batch, so that the rank of the update need not be the number of inputs",
            ),
        )
    elif before:
        reasons = ["a ReLU precedes it, so that its inputs have zeros and are never negative"]
        if after:
            reasons.append("dropout after the ReLU behind it hides which neurons are inactive")
        side = Sparsity.INPUT
    elif after:
        return Applicability(
            None,
            (
                "a ReLU follows it, but dropout in training mode comes next: a neuron that was "
                "dropped looks like one that is inactive, so that nothing can be proven",
            ),
        )
    else:
        reason = f"no ReLU on either side of it: {flow.before} before, {flow.after} after"
        return Applicability(None, (WHY.get(flow.after, reason),))
    return Applicability(side, (*reasons, *_remarks(flow)))


def _is_followed_by_nonlinearity(flow: Flow) -> bool:
    """Whether nothing behind the layer can lower the rank of dL/dZ before it reaches the layer."""
    behind = flow.beyond if flow.after in (DROPOUT, *WHY) else flow.after
    return behind in (RELU, OUTPUTS, *NONLINEAR)


def _obstacle(flow: Flow, gradients: Mapping[str, Tensor]) -> str:
    if f"{flow.name}.bias" not in dict(flow.module.named_parameters(flow.name)):
        return "it has no bias, from whose gradient the attack finds the scale of each input"
    missing = [part for part in ("weight", "bias") if f"{flow.name}.{part}" not in gradients]
    if missing:
        return f"the update has none of its {' and '.join(missing)} (frozen?)"
    return ""


def _remarks(flow: Flow) -> list[str]:
    remarks = []
    if flow.positions > 1:
        remarks.append(
            f"it works on {flow.positions} positions of each input, of which every one counts as "
            "an input of its own"
        )
    if flow.calls > 1:
        remarks.append(f"it is used {flow.calls} times, and the inputs of every use count")
    return remarks
