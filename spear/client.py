"""The client: trains on a private batch and shares an update. Nothing else leaves it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spear.datasets.base import Batch
from spear.defenses import Defense, NoDefense
from spear.errors import LayerError
from spear.fedavg import LocalTraining, SingleGradient
from spear.networks import Sparsity, attackable_layer, linear_layer
from spear.observation import Observation, all_finite
from spear.truth import Truth


@dataclass(frozen=True)
class Update:
    """What the server receives: its own network and the client's update of every parameter.

    Attributes:
        network: the global model with the parameters the client started from.
        gradients: name -> gradient (or, for FedAvg, (W_0 - W_E) / eta), shaped as the parameter.
    """

    network: nn.Module
    gradients: dict[str, Tensor]

    def observe(self, layer: int, sparsity: Sparsity = Sparsity.GRADIENT) -> Observation:
        """The part of the update that belongs to linear layer `layer`, counted from 1.

        Args:
            layer: its number.
            sparsity: what the attack needs (`Attack.sparsity`).

        Raises:
            LayerError: no such layer, no ReLU where the attack needs it, or its parameters are
                frozen.
            InvalidObservation: the update of this layer is not finite or not shaped like it.
        """
        attacked = attackable_layer(self.network, layer, sparsity)
        for name in ("weight", "bias"):
            if f"{attacked.name}.{name}" not in self.gradients:
                raise LayerError(
                    f"the {name} of layer {layer} ({attacked.name}) is frozen, so that the client "
                    "shares no update of it; attack a layer that is trained."
                )
        return Observation(
            attacked.module.weight.detach(),
            attacked.module.bias.detach(),
            self.gradients[f"{attacked.name}.weight"],
            self.gradients[f"{attacked.name}.bias"],
        )


class Client:
    """A federated client: its network (the server's), loss, local training and defense.

    Args:
        network: any module; the attack needs a linear layer beside a ReLU in it.
        loss: maps (outputs, labels) to a scalar; the mean cross-entropy by default.
        fedavg: how many local steps lead to the update (`spear.fedavg`).
        defense: how each gradient is computed and disguised (`spear.defenses`).
    """

    def __init__(
        self,
        network: nn.Module,
        fedavg: LocalTraining | None = None,
        defense: Defense | None = None,
        loss: nn.Module | None = None,
    ) -> None:
        self.network = network
        self.loss = loss or nn.CrossEntropyLoss()
        self.fedavg = fedavg or SingleGradient()
        self.defense = defense or NoDefense()

    def share(self, batch: Batch, generator: torch.Generator | None = None) -> Update:
        """Compute the update for one private batch.

        Args:
            batch: on the network's device.
            generator: of the client's own randomness (mini-batches, noise).
        """
        gradients = self.fedavg.update(self.network, self.loss, self.defense, batch, generator)
        return Update(self.network, gradients)

    def truth(self, batch: Batch, layer: int, update: Update | None = None) -> Truth:
        """What the attack on `layer` should find: that layer's inputs and dL/dZ, for scoring only.

        Args:
            batch: the private batch.
            layer: the attacked linear layer, counted from 1.
            update: what was shared of it, to learn which dL/dZ that shows where a defense or
                further local steps have changed it.
        """
        found = linear_layer(self.network, layer)
        attacked, name = found.module, found.name
        seen: dict[str, Tensor] = {}

        def record(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            seen["inputs"] = args[0].detach()
            seen["pre_activations"] = output
            return output.clone()  # an in-place ReLU would overwrite Z

        hook = attacked.register_forward_hook(record)
        try:
            loss = self.loss(self.network(batch.inputs), batch.labels)
        finally:
            hook.remove()
        (gradient,) = torch.autograd.grad(loss, seen["pre_activations"])
        shared = update.gradients.get(f"{name}.weight") if update else None
        if shared is not None and not all_finite(shared):
            shared = None
        return Truth(seen["inputs"], gradient.T.contiguous(), batch.labels, shared)
