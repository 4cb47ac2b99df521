"""Checks of gradient matching; each refuses an input in one sentence."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from spear.errors import InvalidObservation, VictimError
from spear.probing import Call, watching


def check_labels(labels: Tensor | None, n_classes: int) -> Tensor:
    """The labels; refuse those that are neither class indices nor class probabilities.

    Raises:
        InvalidObservation: they are; the message says how.
    """
    if labels is None:
        raise InvalidObservation(
            "the labels are not known, but this attack is given them; pass b class indices, find "
            "them along with the inputs (JointLabels), or recover that of a single sample "
            "(spear.baselines.label_recovery.RecoveredLabels)."
        )
    if labels.ndim == 2 and labels.is_floating_point() and len(labels):
        return _check_probabilities(labels, n_classes)
    if labels.ndim != 1 or labels.is_floating_point() or not len(labels):
        raise InvalidObservation(
            f"labels have shape {tuple(labels.shape)} and dtype {labels.dtype}; expected b class "
            "indices, or b x K class probabilities."
        )
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most >= n_classes:
        raise InvalidObservation(
            f"labels are {least} to {most}, but the network has {n_classes} classes; expected "
            f"class indices from 0 to {n_classes - 1}."
        )
    return labels


def _check_probabilities(labels: Tensor, n_classes: int) -> Tensor:
    if labels.shape[1] != n_classes or not labels.isfinite().all():
        raise InvalidObservation(
            f"labels have shape {tuple(labels.shape)}; expected finite probabilities of the "
            f"network's {n_classes} classes for each input."
        )
    return labels


def outputs(network: nn.Module, inputs: Tensor) -> Tensor:
    """Return the network's outputs for inputs (b x ... x K).

    Raises:
        VictimError: it does not take inputs of this shape.
    """
    try:
        with torch.no_grad():
            found: Tensor = network(inputs)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise VictimError(
            f"the network does not take a batch of shape {tuple(inputs.shape)} "
            f"({_first_line(error)}); give the shape of one input as its domain."
        ) from error
    return found


def check_derivatives(network: nn.Module, inputs: Tensor, evaluate: Callable[[], Tensor]) -> None:
    """Refuse a network whose gradients cannot be differentiated by its inputs.

    Anything that torch can differentiate twice is fine, even if the second derivative is 0 nearly
    everywhere, as for ReLU and max-pooling. Refused are functions marked `once_differentiable`,
    operations whose backward pass has no derivative of its own, and a network that is cut off from
    its inputs (`detach`).

    Args:
        network: the victim.
        inputs: a candidate that requires a gradient.
        evaluate: the objective at that candidate.

    Raises:
        VictimError: naming the module that torch cannot differentiate twice.
    """
    try:
        # Not `autograd.grad`, which leaves out what is not on the way to the inputs, and with it a
        # derivative that fails because it was cut off from them.
        evaluate().backward()  # type: ignore[no-untyped-call]
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise VictimError(
            f"{_culprit(network, inputs)} cannot be differentiated twice ({_first_line(error)}), "
            "as gradient matching must; replace it, or attack a linear layer beside a ReLU with "
            "SpearIrls (attack=spear_irls)."
        ) from error
    if inputs.grad is None:
        raise VictimError(
            "the gradients of the network do not depend on its inputs, as gradient matching needs; "
            "take out what cuts them off, such as detach() or no_grad()."
        )
    for variable in (inputs, *network.parameters()):
        variable.grad = None


def _culprit(network: nn.Module, inputs: Tensor) -> str:
    """The first module without submodules that cannot be differentiated twice by itself."""
    failed: list[str] = []

    def see(call: Call) -> None:
        if not failed and not _twice_differentiable(call.module.forward, call.args):
            failed.append(f"module {call.name!r} ({type(call.module).__name__}) of the network")

    leaves = {name: m for name, m in network.named_modules() if not any(m.children())}
    with watching(leaves, see):
        network(inputs)
    return failed[0] if failed else "the network or its loss"


def _twice_differentiable(function: Callable[..., Tensor], args: tuple[Tensor, ...]) -> bool:
    # A copy of each argument, because the function may work in place, as ReLU may.
    leaves = [arg.detach().requires_grad_() for arg in args]
    try:
        output = function(*(leaf.clone() for leaf in leaves))
        weights = torch.ones_like(output).requires_grad_()
        first = torch.autograd.grad((output * weights).sum(), leaves, create_graph=True)
        total = torch.stack([each.square().sum() for each in first]).sum()
        total.backward()  # type: ignore[no-untyped-call]
    except RuntimeError:
        return False
    return True


def never_finite(attack: str, models: str = "network") -> VictimError:
    """Return the error of a search without any finite objective.

    Args:
        attack: its name.
        models: whose parameters the objective depends on.
    """
    return VictimError(
        f"the objective of {attack} is not finite at any candidate; check that the parameters of "
        f"the {models} are, and the loss."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
