"""The labels of a batch as counts of its classes, from the last layer's gradient alone."""

from math import prod

import torch
from torch import Tensor

from spear.baselines.gradient_matching.labels import LabelsOfSize, Targets
from spear.inversion.labels.last_layer import LastLayer, check_last_layer
from spear.probing import layer_inputs
from spear.update import Update


class CountedLabels(LabelsOfSize):
    """The server counts the hard labels of a batch from the gradient of the last layer.

    dL/db is the mean of p - y, so that class c has n_c = b (mean p_c - dL/db_c) labels. The server
    knows b and takes p from its own network at an input of zeros; the counts are rounded. A class
    with a negative entry has a label in any case, because p is not negative: with b = 1 this is
    iDLG's sign rule (Zhao et al., 2020). Without a bias, the sum of a row of dL/dW takes the place
    of the entry, over the sum of the layer's inputs, which is also taken at an input of zeros.

    Counts from magnitudes and signs of these gradients, with the known network's help, are those of
    LLG (Wainakh et al., "User-level label leakage from gradients in federated learning", PETS 2022,
    arXiv 2105.09369). Yin et al. (CVPR 2021) take the b classes of the least entries instead, so
    that no class may have two labels.

    Args:
        batch_size: b, which the server must know.

    Raises:
        ConfigError: batch_size < 1.
    """

    def start(self, update: Update, outputs: Tensor, generator: torch.Generator) -> Targets:
        """Implement `Labels`. Class indices in ascending order; nothing is random.

        Raises:
            SpearError: see `LastLayer.of`.
        """
        entries = _entries(update)
        probabilities = outputs.double().softmax(dim=-1).reshape(-1, len(entries)).mean(dim=0)
        counts = counted(probabilities.cpu(), entries.cpu(), self.batch_size)
        labels = torch.repeat_interleave(torch.arange(len(counts)), counts).to(outputs.device)
        return Targets(self.batch_size, [], lambda: labels)


def counted(probabilities: Tensor, entries: Tensor, b: int) -> Tensor:
    """Return the number of labels of each class (K), b in all.

    Args:
        probabilities: mean of p over the batch, or an estimate (K).
        entries: mean of p - y over the batch (K).
        b: number of labels.
    """
    counts = (entries < 0).long()
    while counts.sum() > b:  # noise: the entry nearest 0 is the likeliest to be above it
        counts[torch.where(counts > 0, entries, -torch.inf).argmax()] = 0
    left = b * (probabilities - entries) - counts
    for _ in range(b - int(counts.sum())):
        most = int(left.argmax())
        counts[most] += 1
        left[most] -= 1
    return counts


def _entries(update: Update) -> Tensor:
    """The mean of p - y over the batch (K, float64), or an estimate of it without a bias."""
    layer = LastLayer.of(update)
    if layer.bias_gradient is not None:
        return layer.bias_gradient.double()
    module = check_last_layer(update.layers).module
    parameter = layer.weight_gradient
    zeros = parameter.new_zeros(1, prod(update.domain.shape)).view(1, *update.domain.shape)
    with torch.no_grad():
        features = layer_inputs(update.folded.network, module, zeros)
    return layer.weight_gradient.double().sum(dim=1) / features.double().sum(dim=-1).mean()
