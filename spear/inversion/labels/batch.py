"""Every label of a batch, hard or soft, once SPEAR has its inputs."""

from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn

from spear.attack import Attack, ProgressCallback
from spear.budget import Budget
from spear.domain import Domain
from spear.errors import ConfigError, InvalidObservation
from spear.inversion.labels.last_layer import LastLayer, check_last_layer
from spear.layers import LAST, linear_layers
from spear.observation import Observation
from spear.probing import layer_inputs, overriding_output
from spear.reconstruction import Reconstruction
from spear.update import Update
from spear.whole_update import WholeUpdateAttack


class BatchLabels(WholeUpdateAttack):
    """Recovers every label from a linear layer's inputs, which another attack recovers.

    The inputs pass through the rest of the known network, which gives the inputs of the last layer
    (H^T, b x n) and the probabilities p of each. The gradient of the last layer's parameters is

        [dL/dW, dL/db] = dL/dZ [H^T, 1],

    linear in dL/dZ (K x b), with more equations than unknowns as long as b <= n + 1: least squares
    give it, and with it y_i = p_i - b (dL/dz)_i, whatever the labels are, how many share a class,
    and how many classes there are. Wang et al. (ICLR 2024, arXiv 2402.03124) leave batches open.

    The gradient must be that of one step on the mean cross-entropy. The labels are as right as the
    inputs are; the other attack's status says how right they are.

    Args:
        inputs: recovers the inputs of a linear layer. It must see the whole batch.

    Raises:
        ConfigError: the other attack does not attack a linear layer.
    """

    def __init__(self, inputs: Attack[Observation]) -> None:
        if inputs.layer is None:
            raise ConfigError(
                "inputs attacks no linear layer; expected an attack on one, such as SpearIrls."
            )
        self.inputs = inputs
        self.layer = self._attacked = inputs.layer
        self.given_labels = inputs.given_labels

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `spear.attack.Attack`.

        Raises:
            LayerError: the network does not end with a linear layer, or the other attack cannot
                attack its layer.
            VictimError: the network's outputs depend on chance or on the rest of a batch.
        """
        check_last_layer(linear_layers(network, domain.shape))
        self.inputs.check(network, domain)
        super().check(network, domain)

    def __call__(
        self, observation: Update, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`; `labels` has a row for each of the inputs.

        `details` has those of the other attack and the condition number of H.

        Raises:
            SpearError: the other attack cannot be made, or see `LastLayer.of`.
            InvalidObservation: the batch is larger than the last layer.
        """
        budget = Budget()
        last = LastLayer.of(observation)
        found = self.inputs(self.inputs.observe(observation), seed=seed, progress=progress)
        if found.batch_size == 0:
            return found
        features = _last_inputs(observation, self._attacked, found.inputs)
        labels, condition = labels_of(last, features)
        return replace(
            found,
            labels=labels.cpu(),
            seconds=budget.spent,
            details={**found.details, "condition": condition},
        )


def labels_of(last: LastLayer, features: Tensor) -> tuple[Tensor, float]:
    """The labels (b x K) of samples, float64, from the last layer's inputs.

    Args:
        last: the layer and its gradient.
        features: H^T (b x n), of the whole batch.

    Returns:
        The labels and the condition number of [H^T, 1], which magnifies rounding errors of the
        gradient.

    Raises:
        InvalidObservation: more samples than the layer has parameters for each class.
    """
    features = features.double().to(last.weight.device)
    known, gradient = features, last.weight_gradient.double()
    if last.bias_gradient is not None:
        known = torch.cat([known, known.new_ones(len(known), 1)], dim=1)
        gradient = torch.cat([gradient, last.bias_gradient.double()[:, None]], dim=1)
    b, n = known.shape
    if b > n:
        raise InvalidObservation(
            f"the batch has {b} inputs but the last layer only {n} parameters for each class, too "
            "few to tell their labels; expected a batch no larger than that."
        )
    values = torch.linalg.svdvals(known)
    errors = torch.linalg.lstsq(known.T, gradient.T).solution  # (dL/dZ)^T
    return last.logits(features).softmax(dim=1) - b * errors, float(values[0] / values[-1])


def _last_inputs(update: Update, index: int, inputs: Tensor) -> Tensor:
    """Inputs of the last layer (b x n, float64) if layer `index` receives `inputs`."""
    network = deepcopy(update.network).double()
    layer = network.get_submodule(update.layer(index).name)
    last = network.get_submodule(update.layer(LAST).name)
    reached = inputs.to(next(layer.parameters()))
    if layer is last:
        return reached
    blank = reached.new_zeros(len(reached), *update.domain.shape)
    with torch.no_grad(), overriding_output(layer, layer(reached)):
        return layer_inputs(network, last, blank)
