"""Assignment of the batch's labels to the recovered features."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from spear.baselines.gradient_matching.checks import check_labels, outputs
from spear.errors import InvalidObservation
from spear.probing import overriding_output
from spear.reconstruction import Reconstruction
from spear.update import Update


def paired_labels(update: Update, layer: int, found: Reconstruction) -> Tensor:
    """The update's labels in the order of the features, which each attack returns in its own order.

    The rest of the network gives the dL/dZ of each feature with each label. Labels are assigned so
    that these are nearest, by |cos|, to the dL/dZ that were recovered with the features.

    Args:
        update: with labels.
        layer: the attacked linear layer, counted from 1.
        found: its inputs (b x n) and dL/dZ (m x b), in the same order.

    Raises:
        InvalidObservation: the labels are not b class indices.
        VictimError: the network does not take the domain's shape.
    """
    update = update.folded  # whose layers are those of `found`
    labels = update.labels
    if labels is None or len(labels) != found.batch_size:
        known = "no" if labels is None else len(labels)
        raise InvalidObservation(
            f"there are {found.batch_size} recovered features but {known} labels; gradient "
            "matching needs one each: set matching to 0."
        )
    example = next(iter(update.gradients.values())).new_zeros(1, *update.domain.shape)
    check_labels(labels, outputs(update.network, example).shape[-1])
    module = update.layer(layer).module
    features = found.inputs.to(module.weight)
    gradients = found.activation_gradients.T.to(module.weight)
    classes, positions = labels.unique(dim=0, return_inverse=True)  # type: ignore[no-untyped-call]
    expected = _activation_gradients(update, module, features, classes)
    agreement = cosine_similarity(expected, gradients, dim=2, eps=0.0).abs()  # classes x b
    _, order = linear_sum_assignment(
        agreement[positions].T.nan_to_num().cpu().numpy(), maximize=True
    )
    return labels[torch.from_numpy(order).to(labels.device)]


def _activation_gradients(
    update: Update, layer: nn.Linear, features: Tensor, classes: Tensor
) -> Tensor:
    """dL/dZ of each feature with each class (classes x b x m)."""
    with torch.no_grad():
        reached = layer(features)
    reached.requires_grad_()
    with overriding_output(layer, reached):
        logits = update.network(features.new_zeros(len(features), *update.domain.shape))
    losses = [update.loss(logits, label.expand(len(features), *label.shape)) for label in classes]
    found = [torch.autograd.grad(loss, reached, retain_graph=True)[0] for loss in losses]
    return torch.stack(found)
