"""Certificate of a sequence: its hidden states equal recovered ones, and no other's tried do."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.reconstruction import Reconstruction

Tokens = tuple[int, ...]
"""A sequence, or its first tokens."""

TOLERANCE = 1e-3
"""Relative error up to which a computed hidden state equals a recovered one. Recovered ones have
1e-7 to 1e-4; those of other tokens are 0.1 and more away."""

GAP = 30.0
"""Ratio of the errors of the second best and the best candidate that a certificate needs."""


@dataclass(frozen=True)
class TokenSequence:
    """A token sequence, and the evidence that it was in the batch.

    Attributes:
        tokens: its first ones; all whose positions left a gradient, if the text is complete.
        error: largest relative error of its hidden states to the recovered ones.
        runner_up: smallest relative error of any other candidate to the same states. A decoder's
            candidates are all tokens at each position; an encoder's, all sequences with one token
            changed, or with one more or less at the end.
    """

    tokens: Tokens
    error: float
    runner_up: float

    @property
    def certified(self) -> bool:
        """Tell whether its states equal recovered ones that no other candidate comes near."""
        return self.error <= TOLERANCE < self.runner_up and self.runner_up >= GAP * self.error


@dataclass(frozen=True)
class RecoveredText:
    """The text behind a gradient.

    Attributes:
        sequences: those found, in the order of their tokens.
        states: the hidden states, as `spear.invert_block` returns them.
        unexplained: recovered states that belong to no certified sequence.
    """

    sequences: tuple[TokenSequence, ...]
    states: Reconstruction
    unexplained: int

    @property
    def complete(self) -> bool:
        """Tell whether all states were proven right, and certified sequences explain them all."""
        certified = all(each.certified for each in self.sequences)
        return self.states.status == "exact" and certified and self.unexplained == 0


class Matches:
    """Distances of candidates to recovered states, of which the two smallest are kept.

    Args:
        states: the recovered ones (b x d), float64.
    """

    def __init__(self, states: Tensor) -> None:
        self.states = states
        self._lengths = torch.linalg.vector_norm(states, dim=1)
        self._best = states.new_full((2, len(states)), torch.inf)

    def errors(self, candidates: Tensor, own: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
        """Compare new candidates (k x d) with the states.

        Args:
            candidates: states of sequences with one token more.
            own: states of their common beginning. A candidate that has one of these again is no
                rival of it: without embeddings of positions, as in Llama, a first token that is
                repeated leaves the same state each time.

        Returns:
            The relative distances (k x b), infinite from own states that are found again; and the
            distances from own states that are (k x b), infinite from all others.
        """
        found = torch.cdist(candidates, self.states) / self._lengths
        again = torch.full_like(found, torch.inf)
        known = found[:, list(own)]
        again[:, list(own)] = known.masked_fill(known > TOLERANCE, torch.inf)
        found[:, list(own)] = known.masked_fill(known <= TOLERANCE, torch.inf)
        both = torch.cat([self._best, found])
        self._best = both.topk(2, dim=0, largest=False, sorted=True).values
        return found, again

    def runner_up(self, state: int, error: float) -> float:
        """Return the smallest distance to a state among all but the candidate with this error."""
        best, second = self._best[:, state].tolist()
        return float(second if error == best else best)
