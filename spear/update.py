"""What the server holds after a client has shared: the update, and what it knew before."""

from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import torch
from torch import Tensor, nn

from spear.domain import Domain
from spear.errors import LayerError
from spear.layers import LinearLayer, Sparsity, attackable, linear_layers, numbered
from spear.observation import Observation
from spear.validation import check_names, check_shape


@dataclass(frozen=True)
class Update:
    """The client's update of every parameter, and the training task, which the server itself set.

    Attributes:
        network: the global model with the parameters the client started from.
        gradients: name -> gradient (or, for FedAvg, (W_0 - W_E) / eta), shaped as the parameter.
            Frozen parameters are not among them.
        loss: maps (outputs, labels) to the scalar that the client minimises.
        domain: shape and range of the network's inputs.
        labels: b class indices, side information that no client sends; None unless granted
            (`Attack.given_labels`).

    Raises:
        InvalidObservation: a gradient is of no parameter of the network, or not shaped like it.
            Entries that are not finite are refused by what looks at them: another layer's are no
            obstacle.
    """

    network: nn.Module
    gradients: dict[str, Tensor]
    loss: nn.Module
    domain: Domain
    labels: Tensor | None = None

    def __post_init__(self) -> None:
        parameters = dict(self.network.named_parameters())
        check_names(self.gradients, list(parameters))
        for name, gradient in self.gradients.items():
            shape = parameters[name].shape
            check_shape(f"the gradient of {name!r}", gradient, shape, "the parameter's")

    @cached_property
    def layers(self) -> tuple[LinearLayer, ...]:
        """The network's linear layers, in order of execution; it is traced once.

        Raises:
            VictimError: the network does not take inputs of the domain's shape.
        """
        return linear_layers(self.network, self.domain.shape)

    def layer(self, index: int) -> LinearLayer:
        """Linear layer number `index`, counted from 1; -1 is the last one.

        Raises:
            LayerError: there is no such layer.
        """
        return numbered(self.layers, index)

    @property
    def is_zero(self) -> bool:
        """Return whether every gradient is zero everywhere: nothing was learnt from the batch."""
        return not any(gradient.any() for gradient in self.gradients.values())

    def with_labels(self, labels: Tensor) -> "Update":
        """The same update for a server that knows the batch's labels."""
        return replace(self, labels=labels)

    def copied(self, device: torch.device | str, dtype: torch.dtype | None = None) -> "Update":
        """An update of its own, with its own network, on another device.

        Args:
            device: where it will be.
            dtype: precision of parameters and gradients; as they are unless given.
        """
        return Update(
            deepcopy(self.network).to(device, dtype),
            {name: gradient.to(device, dtype) for name, gradient in self.gradients.items()},
            deepcopy(self.loss).to(device, dtype),
            self.domain.to(device),
            None if self.labels is None else self.labels.to(device),
        )

    def observe(self, layer: int, sparsity: Sparsity | None = Sparsity.GRADIENT) -> Observation:
        """The part of the update that belongs to linear layer `layer`, counted from 1.

        Args:
            layer: its number.
            sparsity: what the attack lives on, if on any.

        Raises:
            LayerError: no such layer, no ReLU where the attack needs it, or its parameters are
                frozen.
            InvalidObservation: the update of this layer is not finite or not shaped like it.
        """
        attacked = attackable(self.layers, layer, sparsity)
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

    def dimensions(self, layer: int | None) -> tuple[int, int]:
        """Outputs m and inputs n of a linear layer; 0 and the network's inputs without one."""
        if layer is None:
            return 0, prod(self.domain.shape)
        m, n = self.layer(layer).module.weight.shape
        return m, n
