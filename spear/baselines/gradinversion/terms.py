"""The terms of GradInversion's objective that gradient matching does not have."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from spear.baselines.gradient_matching.gradients import Gradient
from spear.baselines.gradient_matching.objectives import Distance
from spear.baselines.gradient_matching.regularisers import Term
from spear.baselines.gradient_matching.victim import Evaluation
from spear.probing import probe
from spear.settings import check_above_zero, check_weights
from spear.update import Update


class LayerwiseDistance:
    """weight times the sum over all parameters of |g - g*|_2 (Yin et al., CVPR 2021, Eq. 3).

    Args:
        weight: of the distance beside the other terms; theirs for ImageNet and ResNet-50.

    Raises:
        ConfigError: the weight is not above 0.
    """

    def __init__(self, weight: float = 1e-3) -> None:
        check_above_zero(weight=weight)
        self.weight = weight

    def prepare(self, target: Mapping[str, Tensor]) -> Distance:
        """Implement `Objective`."""

        def distance(gradients: Mapping[str, Gradient]) -> Tensor:
            errors = [gradients[name].dense() - value for name, value in target.items()]
            return self.weight * torch.stack([torch.linalg.vector_norm(e) for e in errors]).sum()

        return distance


class ImageNorm:
    """weight times |x|_2 of the whole batch (Yin et al., CVPR 2021), in the network's units.

    Args:
        weight: of the term.

    Raises:
        ConfigError: the weight is negative or not finite.
    """

    needs_labels = False

    def __init__(self, weight: float = 1e-6) -> None:
        check_weights(weight=weight)
        self.weight = weight

    def prepare(self, update: Update) -> Term:
        """Implement `Regulariser`."""
        return lambda evaluation: self.weight * torch.linalg.vector_norm(evaluation.inputs)


class BatchNormDistance:
    """weight times the distance of a batch's statistics from those that the network has stored.

    The sum, over all batch normalisations, of |mean - stored mean|_2 + |variance - stored
    variance|_2 of what they receive (Yin et al., CVPR 2021, Eq. 7). It is 0 for a network without
    batch normalisation. The stored statistics are part of the model, which the server has; those of
    the private batch alone are not shared.

    Args:
        weight: of the term.

    Raises:
        ConfigError: the weight is negative or not finite.
    """

    needs_labels = False

    def __init__(self, weight: float = 0.1) -> None:
        check_weights(weight=weight)
        self.weight = weight

    def prepare(self, update: Update) -> Term:
        """Implement `Regulariser`."""
        modules = update.network.named_modules()
        norms = {
            name: each
            for name, each in modules
            if isinstance(each, _BatchNorm) and each.running_mean is not None
        }

        def term(evaluation: Evaluation) -> Tensor:
            if not norms:
                return evaluation.inputs.new_zeros(())
            with probe(norms) as calls:
                update.network(evaluation.inputs)
            return self.weight * torch.stack([_error(c.module, c.inputs) for c in calls]).sum()

        return term


def _error(norm: torch.nn.Module, inputs: Tensor) -> Tensor:
    """Distance of the statistics of inputs (b x C x ...) from the stored ones."""
    assert isinstance(norm, _BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    rows = inputs.transpose(0, 1).flatten(1)  # one row per channel
    mean, variance = rows.mean(dim=1), rows.var(dim=1, correction=0)
    off_mean = torch.linalg.vector_norm(mean - norm.running_mean)
    return off_mean + torch.linalg.vector_norm(variance - norm.running_var)
