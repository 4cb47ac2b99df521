"""What attacks on the network's own inputs have in common: they look at the whole update."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from spear.domain import Domain
from spear.errors import VictimError
from spear.update import Update
from spear.validation import check_finite, check_presence


class WholeUpdateAttack:
    """Compares gradients of all parameters, so that outputs must follow from the inputs alone."""

    layer: int | None = None

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `spear.attack.Attack`.

        Raises:
            VictimError: the network's outputs depend on chance or on the rest of a batch.
        """
        check_modes(network)

    def observe(self, update: Update) -> Update:
        """The whole update: network, loss, every gradient, the domain; labels where it is given.

        Raises:
            SpearError: as of `check`.
            InvalidObservation: there are no gradients, or one is not finite.
        """
        self.check(update.network, update.domain)
        check_presence(update.gradients)
        for name, gradient in update.gradients.items():
            check_finite(f"the gradient of {name!r}", gradient)
        return update


def check_modes(network: nn.Module) -> None:
    """Refuse modules whose outputs depend on the rest of the batch or on chance.

    Raises:
        VictimError: naming the first.
    """
    for name, module in network.named_modules():
        depends = isinstance(module, _BatchNorm) and "the private batch's own statistics"
        random = isinstance(module, _DropoutNd | nn.RReLU) and "random numbers of the client"
        reason = depends or random
        if reason and module.training:
            raise VictimError(
                f"module {name!r} ({type(module).__name__}) of the network is in training mode, "
                f"where its outputs depend on {reason}; gradient matching needs a client in "
                "evaluation mode: call network.eval() before it computes its gradients."
            )
