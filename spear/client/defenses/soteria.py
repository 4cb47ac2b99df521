"""Soteria: a gradient that is computed from a perturbed representation."""

import torch
from torch import Tensor, nn

from spear.client.defenses.base import NoDefense
from spear.client.defenses.sparsification import check_share
from spear.data.base import Batch
from spear.errors import LayerError, VictimError
from spear.layers import LinearLayer, linear_layers
from spear.probing import layer_inputs

ROWS = 64
"""Number of entries of the representation that are differentiated at once."""


class Soteria(NoDefense):
    """Soteria (Sun et al., "Provable defense against privacy leakage", CVPR 2021).

    The representation r is the input of the network's last linear layer. To make reconstructions
    from it as unlike the images X as possible, the client sets to 0 those entries i of r in which

        |r_i| / |dr_i/dX|, which stands for |r_i (dr_i/dX)^-1|,

    is *largest*. As in the authors' code (github.com/jeremy313/Soteria), entries are ranked by
    |dr_i/dX| / |r_i| summed over the batch. The entries with the least sums are set to 0 for all
    examples, and only in the gradient of the layer's weight: its columns i are 0, and all else is
    the plain gradient. Unlike in that code, the denominator is |r_i| instead of r_i + 0.1, and an
    entry that is 0 in all examples does not count as perturbed.

    Args:
        share: of the entries of r that are set to 0, in [0, 1); their number is rounded down.

    Raises:
        ConfigError: the share is not in [0, 1).
    """

    def __init__(self, share: float) -> None:
        check_share(share)
        self.share = share

    def gradient(
        self,
        network: nn.Module,
        loss: nn.Module,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """Implement `Defense`.

        Raises:
            LayerError: the network has no linear layer, or its last one does not receive one row
                per example.
            VictimError: the network takes tokens.
        """
        if not batch.inputs.is_floating_point():
            raise VictimError(
                "the inputs are tokens, in which soteria cannot differentiate; choose another "
                "defense, or a data set whose inputs are numbers."
            )
        shared = super().gradient(network, loss, batch, generator)
        layer = _last(network, batch.inputs)
        name = f"{layer.name}.weight"
        if name in shared:
            scores = sensitivity(network, layer.module, batch.inputs)
            least = scores.topk(int(self.share * len(scores)), largest=False).indices
            shared[name] = shared[name].index_fill(1, least, 0.0)
        return shared


def sensitivity(network: nn.Module, layer: nn.Linear, inputs: Tensor) -> Tensor:
    """Return |dr_i/dX| / |r_i| summed over a batch, for each of the n inputs r of a layer.

    An example in which r_i is 0 counts 0. An entry that is 0 in all examples gives infinity.

    Args:
        network: one whose outputs for an example do not depend on other examples.
        layer: of the network, called once.
        inputs: the batch X (b x ...).

    Raises:
        LayerError: r does not have one row per example.
    """
    images = inputs.detach().clone().requires_grad_()
    found = layer_inputs(network, layer, images)
    if found.ndim != 2 or len(found) != len(inputs):
        raise LayerError(
            f"the last linear layer receives inputs of shape {tuple(found.shape)}, but Soteria "
            "expects one representation per example (b x n); choose another defense."
        )
    n = found.shape[1]
    norms = []
    for rows in torch.split(torch.eye(n, dtype=found.dtype, device=found.device), ROWS):
        # Each example's own derivative: those of the others are 0 in the sum.
        (jacobian,) = torch.autograd.grad(
            found, images, rows[:, None].expand(-1, len(found), -1), True, is_grads_batched=True
        )
        norms.append(jacobian.flatten(2).norm(dim=2))
    magnitudes = found.detach().abs()
    ratios = torch.where(magnitudes > 0, torch.cat(norms).T / magnitudes, 0.0)
    return ratios.sum(dim=0).masked_fill((magnitudes == 0).all(dim=0), torch.inf)


def _last(network: nn.Module, inputs: Tensor) -> LinearLayer:
    layers = linear_layers(network, inputs[:2])
    if not layers:
        raise LayerError(
            "the network has no linear layer, but Soteria perturbs the inputs of the last one; "
            "choose another defense."
        )
    return layers[-1]
