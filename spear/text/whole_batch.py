"""Proof that sequences are the whole batch: their own gradient is the shared one.

Equal sequences share all hidden states, and under a next-token loss so do two of which one is the
beginning of the other. Their states then explain each other, but the gradient of one sequence is
not that of two, unless all are repeated equally often under a mean loss: then each counts once.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from spear.data.text import TextDomain, next_tokens
from spear.naming import unwrapped
from spear.text.observation import as_rows
from spear.transformer.language_model import LanguageModel
from spear.update import Update

TOLERANCE = 1e-3
"""Relative difference up to which two gradients are the same: float32 leaves 1e-6 to 1e-4. One
sequence more or less in a batch of 100 makes 1e-2."""


def residual(
    update: Update | None, sequences: Sequence[Sequence[int]], decoder: bool
) -> float | None:
    """Return the relative difference of the sequences' gradient from the shared one.

    Labels follow from the update: of classes, the gradient of the last layer gives them. Those of
    next tokens are in the sequences, and each ends with the tokenizer's token for that. The length
    of the gradient is fitted, because a defense may have clipped it.

    Args:
        update: of a language model; None if it is not known.
        sequences: those found; of next tokens, without the last one, which predicts nothing.
        decoder: whether a position sees those before it alone.

    Returns:
        The difference; None if labels cannot be told: those of masked tokens, of a network that is
        no `LanguageModel`, or of classes if the last layer is frozen.
    """
    network = None if update is None else unwrapped(update.network)
    if update is None or not isinstance(network, LanguageModel):
        return None
    domain = update.domain
    if not sequences or not isinstance(domain, TextDomain):
        return None
    device = next(network.parameters()).device
    tokens = as_rows(sequences, domain.length, domain.tokenizer.padding).long().to(device)
    scores = network(tokens)
    labels: Tensor | None = None
    if scores.ndim == 2:
        labels = _classes(update, scores)
    elif decoder:
        ended = [(*each, domain.tokenizer.end) for each in sequences]
        tokens = as_rows(ended, domain.length, domain.tokenizer.padding).long().to(device)
        labels, scores = next_tokens(tokens, domain.tokenizer.padding), network(tokens)
    if labels is None:
        return None
    named = dict(network.named_parameters())
    own = torch.autograd.grad(
        update.loss(scores, labels), [named[name] for name in update.gradients]
    )
    return _apart(_joined(own), _joined([*update.gradients.values()]))


def _classes(update: Update, scores: Tensor) -> Tensor | None:
    """Label of each sequence: the class whose score its gradient raises; None without a gradient.

    The gradient of the last layer's weight is the sum of dL/dscores and its inputs, which are the
    derivatives of a score.
    """
    *_, (name, weight) = update.network.named_parameters()
    if weight.ndim == 1:  # a bias, behind its weight
        *_, (name, weight), _ = update.network.named_parameters()
    if name not in update.gradients or weight.shape[0] != scores.shape[1]:
        return None
    inputs = torch.stack(
        [torch.autograd.grad(each, weight, retain_graph=True)[0][0] for each in scores[:, 0]]
    )
    shared = update.gradients[name].double()
    above = torch.linalg.lstsq(inputs.double().T.cpu(), shared.T.cpu()).solution
    return above.argmin(dim=1).to(scores.device)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([each.detach().double().flatten() for each in parts])


def _apart(own: Tensor, shared: Tensor) -> float:
    scale = (own @ shared) / (own @ own).clamp(min=1e-300)
    return float((shared - scale * own).norm() / shared.norm().clamp(min=1e-300))
