"""What attacks on the network's own inputs have in common: they look at the whole update."""

from torch import nn

from spear.baselines.gradient_matching.checks import check_gradients, check_modes
from spear.update import Update


class WholeUpdateAttack:
    """Compares gradients of all parameters, so that outputs must follow from the inputs alone."""

    layer: int | None = None

    def check(self, network: nn.Module) -> None:
        """See `spear.attack.Attack`.

        Raises:
            VictimError: the network's outputs depend on chance or on the rest of a batch.
        """
        check_modes(network)

    def observe(self, update: Update) -> Update:
        """The whole update: network, loss, every gradient, the domain; labels where it is given.

        Raises:
            SpearError: as of `check`.
            InvalidObservation: a gradient is not finite or not shaped like its parameter.
        """
        self.check(update.network)
        check_gradients(update)
        return update
