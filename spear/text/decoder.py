"""Text of a decoder: token after token, by equality with recovered hidden states.

The state that enters the first block at position t depends on tokens 1 to t alone. So all
continuations of a known beginning are computed, and the one that was in the batch is recognised:
its state is among the recovered ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.text.certificate import TOLERANCE, Matches, Tokens, TokenSequence
from spear.transformer.block_inputs import BlockInputs


@dataclass(frozen=True)
class _Beginning:
    """First tokens of a sequence, and the state and error of each."""

    tokens: Tokens = ()
    states: tuple[int, ...] = ()
    errors: tuple[float, ...] = ()

    def and_next(self, token: int, state: int, error: float) -> "_Beginning":
        """Return it with one more token."""
        return _Beginning((*self.tokens, token), (*self.states, state), (*self.errors, error))


def read_sequences(
    inputs: BlockInputs, states: Tensor, vocabulary: int, longest: int
) -> tuple[list[TokenSequence], int]:
    """Return the sequences behind hidden states of a decoder's first block.

    A sequence that is the beginning of another leaves no state of its own and is not told apart.

    Args:
        inputs: of the first block of a decoder (`looks_ahead`).
        states: recovered ones (b x d).
        vocabulary: number of tokens.
        longest: number of tokens that a sequence has at most.

    Returns:
        The sequences, and the number of states that belong to no certified one.
    """
    if not len(states):
        return [], 0
    matches = Matches(states.double())
    open_, ended = [_Beginning()], []
    while open_:
        grown = _continued(inputs, matches, vocabulary, open_) if longest else []
        longest -= 1
        continued = {each.tokens[:-1] for each in grown}
        ended += [each for each in open_ if each.tokens and each.tokens not in continued]
        open_ = grown
    found = [(each, _certified(each, matches)) for each in ended]
    explained = {i for each, sequence in found if sequence.certified for i in each.states}
    sequences = sorted((sequence for _, sequence in found), key=lambda each: each.tokens)
    return sequences, len(states) - len(explained)


def looks_ahead(inputs: BlockInputs, vocabulary: int) -> bool:
    """Tell whether a position sees the tokens behind it, as in an encoder."""
    tokens = torch.arange(6).reshape(2, 3) % vocabulary
    tokens[1, 0] = tokens[0, 0]
    first, second = inputs(tokens)[:, 0]
    length = torch.linalg.vector_norm(first)
    return bool(torch.linalg.vector_norm(first - second) > TOLERANCE * length)


def _continued(
    inputs: BlockInputs, matches: Matches, vocabulary: int, beginnings: Sequence[_Beginning]
) -> list[_Beginning]:
    """The beginnings with one token more whose states are recovered: the best for each state."""
    best: dict[int, _Beginning] = {}
    for each in beginnings:
        tokens = torch.tensor(each.tokens, dtype=torch.long).expand(vocabulary, -1)
        candidates = torch.cat([tokens, torch.arange(vocabulary)[:, None]], dim=1)
        errors, nearest = matches.errors(inputs.last(candidates), each.states).min(dim=1)
        for token in torch.nonzero(errors <= TOLERANCE).flatten().tolist():
            state, error = int(nearest[token]), float(errors[token])
            if state not in best or error < best[state].errors[-1]:
                best[state] = each.and_next(token, state, error)
    return list(best.values())


def _certified(found: _Beginning, matches: Matches) -> TokenSequence:
    pairs = zip(found.states, found.errors, strict=True)
    others = min(matches.runner_up(state, error) for state, error in pairs)
    return TokenSequence(found.tokens, max(found.errors), others)
