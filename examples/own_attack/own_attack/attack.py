"""Attack on a batch of one input, in closed form."""

import time
from dataclasses import replace

import torch

from spear.attack import LayerAttack, ProgressCallback
from spear.errors import InvalidObservation
from spear.inversion.factors.factorization import check_bias_gradient, decompose
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status


class SingleInput(LayerAttack):
    """Reconstruct the single input x of a linear layer with a bias (Phong et al., 2018).

    Every row of the update shows it: dL/dW_i = dL/db_i x, so that x = dL/dW_i / dL/db_i. All rows
    together give it by least squares, x = dL/dW^T dL/db / |dL/db|^2. No activation is needed.

    The status is `estimated`, not `exact`: the gradient of two inputs has rank 1, too, if they are
    equal or their dL/dz are parallel, and x is then their weighted mean.

    Args:
        layer: number of the linear layer, counted from 1.
    """

    def __init__(self, layer: int = 1) -> None:
        super().__init__(layer, sparsity=None)

    def __call__(
        self, observation: Observation, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Reconstruct the input behind an observation (`spear.attack.Attack`).

        Raises:
            InvalidObservation: the batch has several inputs, or the bias gradient is zero.
        """
        began = time.perf_counter()
        found = decompose(observation.weight_gradient)
        if isinstance(found, Status):  # zero everywhere, or of full rank
            return Reconstruction.empty(observation.m, observation.n, found)
        b = found.left.shape[1]
        if b > 1:
            raise InvalidObservation(
                f"the weight gradient of layer {self.layer} has rank {b}, so that it is of at "
                f"least {b} inputs, but this attack reconstructs a single one; set batch_size=1, "
                "or choose attack=spear_irls."
            )
        check_bias_gradient(observation)
        by_neuron = observation.bias_gradient.to(torch.float64)
        weighted = observation.weight_gradient.to(torch.float64).T @ by_neuron
        inputs = (weighted / by_neuron.square().sum()).unsqueeze(0)
        estimate = Reconstruction.estimate(inputs, time.perf_counter() - began)
        return replace(estimate, activation_gradients=by_neuron.unsqueeze(1))
