"""Base of the attacks on the network's own inputs, which observe the whole update."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from spear.domain import Domain
from spear.errors import VictimError
from spear.transformer import check_takes_numbers
from spear.update import Update, check_update
from spear.validation import check_finite, check_presence


class WholeUpdateAttack:
    """Base of the attacks that compare the gradients of all parameters.

    The network's outputs must follow from the inputs alone, without chance or batch statistics.
    """

    layer: int | None = None

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `spear.attack.Attack`.

        Raises:
            VictimError: the network's outputs depend on chance or on the rest of a batch, or it
                takes tokens.
        """
        check_takes_numbers(network)
        check_modes(network)

    def observe(self, update: Update) -> Update:
        """Return the update itself, checked.

        Raises:
            VictimError: the network's outputs depend on chance or on the rest of a batch.
            InvalidObservation: there are no gradients, or one is not finite.
        """
        check_update(update)
        self.check(update.network, update.domain)
        check_presence(update.gradients)
        for name, gradient in update.gradients.items():
            check_finite(f"the gradient of {name!r}", gradient)
        return update


def check_modes(network: nn.Module) -> None:
    """Refuse a network whose outputs depend on the rest of the batch or on chance.

    Raises:
        VictimError: there is such a module in training mode; the message names the first.
    """
    for name, module in network.named_modules():
        depends = isinstance(module, _BatchNorm) and "the private batch's own statistics"
        random = isinstance(module, _DropoutNd | nn.RReLU) and "random numbers of the client"
        reason = depends or random
        if reason and module.training:
            raise VictimError(
                f"module {name!r} ({type(module).__name__}) of the network is in training mode, "
                f"in which its outputs depend on {reason}; this attack needs the gradients of "
                "a network in evaluation mode: call network.eval() before computing them."
            )
