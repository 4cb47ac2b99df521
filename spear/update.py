"""View of the server after a client has shared: the update, and the training task it set."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import torch
from torch import Tensor, nn

from spear.chains import (
    chain_around,
    is_unbiased,
    unbiased_chain_around,
    unbiased_chain_to_outputs,
)
from spear.domain import Domain
from spear.errors import InvalidObservation, LayerError
from spear.folding import fold, fold_gradients, foldings
from spear.layers import LinearLayer, Sparsity, attackable, linear_layers, numbered
from spear.naming import renamed
from spear.observation import LayerChain, LayerPair, Link, Observation, UnbiasedPair
from spear.pairs import pair_at, unbiased_pair_at
from spear.validation import check_finite, check_names, check_shape, check_tensor


def check_update(given: object) -> None:
    """Refuse anything but an `Update`.

    Raises:
        InvalidObservation: it is of another type.
    """
    if not isinstance(given, Update):
        raise InvalidObservation(
            f"update is a {type(given).__name__}; expected a spear.Update, which "
            "spear.Client.share returns, or which you make of a network and its gradients."
        )


@dataclass(frozen=True)
class Update:
    """The client's update of every parameter, and the training task, which the server itself set.

    Attributes:
        network: the global model with the parameters from which the client started.
        gradients: name -> gradient (for FedAvg (W_0 - W_E) / eta), shaped like the parameter.
            Frozen parameters are left out.
        loss: maps (outputs, labels) to the scalar that the client minimises.
        domain: shape and range of the network's inputs.
        labels: b class indices, side information that no client sends; None unless the attack is
            given them (`Attack.given_labels`).

    Raises:
        InvalidObservation: a gradient belongs to no parameter of the network, or is not shaped
            like it. An entry that is not finite is refused only if an attack observes it.
    """

    network: nn.Module
    gradients: dict[str, Tensor]
    loss: nn.Module
    domain: Domain
    labels: Tensor | None = None

    def __post_init__(self) -> None:
        parameters = dict(self.network.named_parameters())
        names = renamed(self.gradients, parameters)
        if any(name != each for name, each in names.items()):  # a wrapper's prefixes
            own = {names[name]: each for name, each in self.gradients.items()}
            object.__setattr__(self, "gradients", own)
        check_names(self.gradients, list(parameters))
        for name, gradient in self.gradients.items():
            shape = parameters[name].shape
            check_shape(f"the gradient of {name!r}", gradient, shape, "the parameter's")

    @cached_property
    def layers(self) -> tuple[LinearLayer, ...]:
        """Linear layers of the network in order of execution, traced at the first access.

        Raises:
            VictimError: the network does not take inputs of the domain's shape.
        """
        return linear_layers(self.folded.network, self.domain.shape)

    @cached_property
    def folded(self) -> "Update":
        """The update of the same network with its batch norms folded; itself without any.

        Attacks on layers look at this one, those on the whole update at the network as it is.
        """
        chosen = foldings(self.network, self.domain.shape)
        if not chosen:
            return self
        gradients = fold_gradients(self.gradients, chosen)
        return replace(self, network=fold(self.network, chosen), gradients=gradients)

    def layer(self, index: int) -> LinearLayer:
        """Return linear layer number `index`, counted from 1; -1 is the last one.

        Raises:
            LayerError: there is no such layer.
        """
        return numbered(self.layers, index)

    @property
    def is_zero(self) -> bool:
        """Return whether every gradient is zero everywhere, so that nothing leaks from them."""
        return not any(gradient.any() for gradient in self.gradients.values())

    def with_labels(self, labels: Tensor) -> "Update":
        """Return the same update for a server that knows the batch's labels (b class indices)."""
        return replace(self, labels=labels)

    def copied(self, device: torch.device | str, dtype: torch.dtype | None = None) -> "Update":
        """Return a copy on a device, with a network and a loss of its own.

        Args:
            device: of the copy.
            dtype: precision of the copy's parameters and gradients; unchanged unless given.
        """
        return Update(
            deepcopy(self.network).to(device, dtype),
            {name: gradient.to(device, dtype) for name, gradient in self.gradients.items()},
            deepcopy(self.loss).to(device, dtype),
            self.domain.to(device),
            None if self.labels is None else self.labels.to(device),
        )

    def observe(self, layer: int, sparsity: Sparsity | None = Sparsity.GRADIENT) -> Observation:
        """Return the part of the update that belongs to one linear layer.

        Args:
            layer: its number, counted from 1; -1 is the last one.
            sparsity: factor of the gradient that must be sparse (Sec. 3.2); None if none must.

        Raises:
            LayerError: there is no such layer, it has no bias, no ReLU stands where the attack
                needs it, or the layer's weight or bias is frozen.
            InvalidObservation: the update of this layer is not finite or not shaped like it.
        """
        return self._observation(attackable(self.layers, layer, sparsity))

    def observe_pair(self, layer: int) -> LayerPair:
        """Return what an attack on a layer pair sees: both layers' updates, and the activation.

        Args:
            layer: number of the first layer, counted from 1.

        Raises:
            LayerError: there is no such pair (`spear.pairs.pair_at`), or one of its parameters is
                frozen, other than the second layer's bias.
            InvalidObservation: the update of these layers is not finite or not shaped like them.
        """
        pair = pair_at(self.layers, layer)
        first = self._observation(pair.first)
        self._gradient(pair.following, "weight")  # refuses a frozen one
        return pair.observed(
            first, self.folded.gradients, dict(self.folded.network.named_parameters())
        )

    def observe_unbiased_pair(self, layer: int) -> UnbiasedPair:
        """Return the same of a first layer without a bias; the update of a bias is left out.

        Args:
            layer: number of the first layer, counted from 1.

        Raises:
            LayerError: there is no such pair (`spear.pairs.unbiased_pair_at`), or one of its
                weights is frozen.
            InvalidObservation: the update of these layers is not finite or not shaped like them.
        """
        pair = unbiased_pair_at(self.layers, layer)
        first, following = pair.first, pair.following
        bias = first.module.bias
        return UnbiasedPair(
            weight=first.module.weight.detach(),
            weight_gradient=self._gradient(first, "weight"),
            next_weight=following.module.weight.detach(),
            next_weight_gradient=self._gradient(following, "weight"),
            activation=pair.activation(dict(self.folded.network.named_parameters())),
            bias=None if bias is None else bias.detach(),
            next_bias_gradient=self.folded.gradients.get(f"{following.name}.bias"),
        )

    def observe_chain(self, layer: int) -> LayerChain:
        """Return what an attack on a chain of layers sees: the updates of all, and the activations.

        The chain ends where the update of a layer is missing. A layer without a bias belongs to one
        of layers without biases, unless a pair of a layer with a bias has it.

        Args:
            layer: number of the layer whose inputs are wanted, counted from 1; -1 is the last one.

        Raises:
            LayerError: the layer belongs to no pair whose updates are there.
            InvalidObservation: an update in the chain is not finite.
        """
        wanted = self.layer(layer)
        unbiased = is_unbiased(self.layers, layer)
        around = (unbiased_chain_around if unbiased else chain_around)(self.layers, layer)
        parts = ("weight",) if unbiased else ("weight", "bias")
        chain = self._trained_part(around, wanted, parts)
        parameters = dict(self.folded.network.named_parameters())
        pairs = [unbiased_pair_at(self.layers, each.index) for each in chain[:-1]]
        return LayerChain(
            tuple(self._link(each) for each in chain),
            tuple(each.activation(parameters) for each in pairs),
            chain.index(wanted),
            to_loss=chain[-1].is_last,
        )

    def observe_to_outputs(self, layer: int) -> LayerChain:
        """Return what an attack sees of the layers from one on to the outputs, without biases.

        Args:
            layer: number of the first, counted from 1.

        Raises:
            LayerError: there is no such chain (`spear.chains.unbiased_chain_to_outputs`), or a
                weight of it is frozen.
            InvalidObservation: an update in the chain is not finite.
        """
        chain = unbiased_chain_to_outputs(self.layers, layer)
        parameters = dict(self.folded.network.named_parameters())
        pairs = [unbiased_pair_at(self.layers, each.index) for each in chain[:-1]]
        return LayerChain(
            tuple(self._link(each) for each in chain),
            tuple(each.activation(parameters) for each in pairs),
            wanted=0,
            to_loss=True,
        )

    def _trained_part(
        self, chain: Sequence[LinearLayer], wanted: LinearLayer, parts: Sequence[str]
    ) -> Sequence[LinearLayer]:
        """The longest part of a chain around a layer whose updates are there."""
        place = chain.index(wanted)
        whole = [self._has_updates(each, *parts) for each in chain]
        begin = place
        while begin > 0 and whole[begin - 1]:
            begin -= 1
        end = place
        while end + 1 < len(chain) and whole[end] and self._has_updates(chain[end + 1], "weight"):
            end += 1
        if begin == end:
            raise LayerError(
                f"layer is {wanted.index} ({wanted.name}), which belongs to no layer pair that is "
                "trained; expected the updates of a linear layer, its bias if the network has "
                "biases, and of a linear layer behind one "
                "elementwise activation."
            )
        return chain[begin : end + 1]

    def _has_updates(self, layer: LinearLayer, *parts: str) -> bool:
        return all(f"{layer.name}.{part}" in self.folded.gradients for part in parts)

    def _link(self, layer: LinearLayer) -> Link:
        bias = layer.module.bias
        for part in ("weight", "bias"):
            if self._has_updates(layer, part):
                name = f"{layer.name}.{part}"
                check_tensor(f"the gradient of {name!r}", self.folded.gradients[name])
                check_finite(f"the gradient of {name!r}", self.folded.gradients[name])
        return Link(
            layer.module.weight.detach(),
            None if bias is None else bias.detach(),
            self._gradient(layer, "weight"),
            self.folded.gradients.get(f"{layer.name}.bias"),
        )

    def _observation(self, layer: LinearLayer) -> Observation:
        return Observation(
            layer.module.weight.detach(),
            layer.module.bias.detach(),
            self._gradient(layer, "weight"),
            self._gradient(layer, "bias"),
        )

    def _gradient(self, layer: LinearLayer, name: str) -> Tensor:
        gradient = self.folded.gradients.get(f"{layer.name}.{name}")
        if gradient is None:
            raise LayerError(
                f"the {name} of layer {layer.index} ({layer.name}) is frozen, so that the client "
                "shares no update of it; attack a layer that is trained."
            )
        return gradient

    def dimensions(self, layer: int | None) -> tuple[int, int]:
        """Return the numbers of outputs m and inputs n of linear layer number `layer`.

        For None, m is 0 and n the number of entries of one of the network's inputs.

        Raises:
            LayerError: there is no such layer.
        """
        if layer is None:
            return 0, prod(self.domain.shape)
        m, n = self.layer(layer).module.weight.shape
        return m, n
