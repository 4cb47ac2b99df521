"""Proof that sequences are the whole batch: their own gradient is the shared one.

Equal sequences share all hidden states, and under a next-token loss so do two of which one is the
beginning of the other. Their states then explain each other, but the gradient of one sequence is
not that of two, unless all are repeated equally often under a mean loss: then each counts once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spear.data.text import TextDomain, next_tokens
from spear.naming import unwrapped
from spear.text.observation import as_rows
from spear.transformer.language_model import LanguageModel
from spear.update import Update

LARGEST = 1e-5
"""Relative difference up to which two gradients may be the same: float32 leaves up to 2e-7. A trace
of another batch, as an average of clients has it, is larger."""

SHARE = 0.1
"""The same in the share that one label has of the gradient on average."""


@dataclass(frozen=True)
class Comparison:
    """A gradient of one's own beside the shared one.

    Attributes:
        difference: relative one, of all parameters together or of the output layer alone, whichever
            is larger.
        labels: number of labels that enter the loss.
        of_tokens: whether the labels are the tokens themselves, so that no other token has the same
            gradient.
    """

    difference: float
    labels: int
    of_tokens: bool

    @property
    def same(self) -> bool:
        """Tell whether rounding explains the difference, and one other label would not.

        Of n labels each has about 1/n of the output layer's gradient.
        """
        return self.difference <= min(LARGEST, SHARE / max(1, self.labels))


def compared(
    update: Update | None, sequences: Sequence[Sequence[int]], decoder: bool
) -> Comparison | None:
    """Compare the gradient of sequences with the shared one.

    Labels follow from the update: of classes, the gradient of the last layer gives them. Those of
    next tokens are in the sequences, and each ends with the tokenizer's token for that. The length
    of the gradient is fitted, because a defense may have clipped it.

    Args:
        update: of a language model; None if it is not known.
        sequences: those found; of next tokens, without the last one, which predicts nothing.
        decoder: whether a position sees those before it alone.

    Returns:
        The comparison; None if labels cannot be told: those of masked tokens, of a network that is
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
    parts = torch.autograd.grad(
        update.loss(scores, labels), [named[name] for name in update.gradients]
    )
    own = {name: each.detach() for name, each in zip(update.gradients, parts, strict=True)}
    difference = _difference(own, update.gradients, _output_layer(network))
    of_tokens = scores.ndim == 3 and _counts_alike(update.loss)
    return Comparison(difference, int((labels >= 0).sum()), of_tokens)


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


def _counts_alike(loss: nn.Module) -> bool:
    """Tell whether every label has the same part in a loss, so that none can hide."""
    return isinstance(loss, nn.CrossEntropyLoss) and loss.weight is None


def _output_layer(network: LanguageModel) -> str | None:
    """Name of the weight that makes the scores; None if the model does not tell."""
    find: Any = getattr(network.model, "get_output_embeddings", None)
    layer = find() if callable(find) else None
    named = network.named_parameters()
    return next((name for name, each in named if each is getattr(layer, "weight", None)), None)


def _difference(
    own: Mapping[str, Tensor], shared: Mapping[str, Tensor], output: str | None
) -> float:
    """The relative difference at the length that fits best, of all and of the output layer."""
    mine, theirs = _joined(own), _joined(shared)
    scale = float((mine @ theirs) / (mine @ mine).clamp(min=1e-300))
    found = _apart(scale * mine, theirs)
    if output is not None and output in shared:
        found = max(found, _apart(scale * own[output].double(), shared[output].double()))
    return found


def _joined(parts: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([each.detach().double().flatten() for each in parts.values()])


def _apart(own: Tensor, shared: Tensor) -> float:
    return float((shared - own).norm() / shared.norm().clamp(min=1e-300))
