"""The client's forward and backward pass, repeated on a batch that the server supposes.

Nothing is supposed about loss and labels: the gradient dL/dy of the network's outputs follows from
the images and the shared gradient of the last layer, G = (dL/dy)^T [f, 1] with its inputs f.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spear.errors import InvalidObservation, VictimError
from spear.probing import copied, probe
from spear.second_derivatives import twice_differentiable
from spear.vision.layout import Layout, example, outputs_of

BIAS_WEIGHT = 30.0
"""Weight of the last bias gradient beside an entry of the last weight gradient: errors of the
images move features, and its equation has none."""


@dataclass(frozen=True)
class Batch:
    """A batch that the server supposes.

    Attributes:
        images: b x channels x height x width, as the network receives them.
        outputs: dL/dy, the gradient of the network's outputs (b x K).
    """

    images: Tensor
    outputs: Tensor


class Passes:
    """Forward and backward passes of a network in one precision, without dropout.

    Args:
        model: a vision transformer; it is copied.
        layout: names of its parts.
        dtype: precision of the passes.

    Raises:
        VictimError: its last layer is not linear.
    """

    def __init__(
        self, model: nn.Module, layout: Layout, dtype: torch.dtype = torch.float64
    ) -> None:
        self.network: Any = copied(model).to("cpu", dtype).eval()
        self.layout = layout
        self.dtype = dtype
        self.parameters = dict(self.network.named_parameters())
        for each in self.parameters.values():
            each.requires_grad_(True)
        self.head_name, self.share = _head(self.network)
        self.head: Any = self.network.get_submodule(self.head_name)
        self.projection: Any = self.network.get_submodule(layout.projection)

    def single(self) -> "Passes":
        """Return the same passes in float32."""
        return Passes(self.network, self.layout, torch.float32)

    def outputs(self, images: Tensor) -> Tensor:
        """Return the outputs of the network (b x K)."""
        return outputs_of(self.network, images.to(self.dtype))

    def check(self, shared: Mapping[str, Tensor]) -> None:
        """Refuse an update without the gradient of the last layer.

        Raises:
            InvalidObservation: it is missing.
        """
        for part in ("weight", "bias"):
            if f"{self.head_name}.{part}" not in shared:
                raise InvalidObservation(
                    f"{self.head_name}.{part} has no gradient, as it is frozen or not shared; "
                    "expected that of the last layer: attack a model whose head is trained."
                )

    def features(self, images: Tensor) -> Tensor:
        """Return the inputs of the last layer with a 1 behind them (b x (width + 1))."""
        with torch.no_grad(), probe({"": self.head}) as calls:
            self.outputs(images)
        found = calls[-1].inputs
        return torch.cat([found, torch.ones_like(found[:, :1])], dim=1)

    def supposed(self, images: Tensor, shared: Mapping[str, Tensor]) -> Batch:
        """Return images with the gradient of outputs that explains the last layer's best.

        Args:
            images: b x channels x height x width.
            shared: gradients by name; among them those of the last layer.
        """
        weight, bias = (shared[f"{self.head_name}.{each}"] for each in ("weight", "bias"))
        gradient = torch.cat([weight, bias[:, None]], dim=1).to(self.dtype)
        features, gradient = self.features(images), gradient.clone()
        for each in (features, gradient):
            each[:, -1] *= BIAS_WEIGHT
        outputs = torch.linalg.lstsq(features.T, gradient.T, driver="gelsd").solution
        return Batch(images, outputs / self.share)

    def gradients(self, batch: Batch) -> dict[str, Tensor]:
        """Return the gradients of a batch by name."""
        return {name: each.detach() for name, each in self.differentiable(batch, False).items()}

    def differentiable(self, batch: Batch, history: bool = True) -> dict[str, Tensor]:
        """Return the same, with the history that a second differentiation needs."""
        with twice_differentiable():
            outputs = self.outputs(batch.images)
            loss = (outputs * batch.outputs.to(self.dtype)).sum()
            found = torch.autograd.grad(
                loss,
                list(self.parameters.values()),
                create_graph=history,
                allow_unused=True,  # as a token for masked patches
                materialize_grads=True,
            )
        return dict(zip(self.parameters, found, strict=True))

    def patch_gradients(self, batch: Batch) -> Tensor:
        """Return the gradient of what the projection of the patches gives, a row each (b N x d)."""
        with probe({"": self.projection}) as calls, twice_differentiable():
            loss = (self.outputs(batch.images) * batch.outputs).sum()
        (found,) = torch.autograd.grad(loss, calls[0].output)
        return found.flatten(2).mT.flatten(0, 1)


def _head(network: nn.Module) -> tuple[str, float]:
    """Name of the last linear layer, and its share in the outputs: 1/2 of two heads, else 1."""
    layers = {k: each for k, each in network.named_modules() if isinstance(each, nn.Linear)}
    with torch.enable_grad(), probe(layers) as calls:
        outputs = outputs_of(network, example(network, 1))
    if calls and calls[-1].output.shape == outputs.shape and calls[-1].module.bias is not None:
        slopes = torch.autograd.grad(outputs.sum(), calls[-1].output, allow_unused=True)[0]
        if slopes is not None and bool((slopes == slopes.flatten()[0]).all()) and slopes.any():
            return calls[-1].name, float(slopes.flatten()[0])
    raise VictimError(
        f"the last layer of the model, a {type(network).__name__}, is not a linear layer with a "
        "bias that gives its outputs; expected one, which tells the gradient of the outputs."
    )
