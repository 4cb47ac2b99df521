"""Text of a decoder: token after token, by equality with recovered hidden states.

The state that enters the first block at position t depends on tokens 1 to t alone. So all
continuations of a known beginning are computed, and the one that was in the batch is recognised:
its state is among the recovered ones.

Without embeddings of positions, as in Llama, a first token that is repeated leaves the same state
each time. Sequences that begin with it twice, three times and so on are tried as long as states
belong to no sequence, and once more, so that what the next number would explain as well is not
certified. A sequence of one repeated token alone is read as that token.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.text.certificate import TOLERANCE, Matches, Tokens, TokenSequence
from spear.transformer.block_inputs import BlockInputs

REPEATS = 16
"""Times that a repeated first token is tried at most."""


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
    roots, ended = [_Beginning()], list[_Beginning]()
    for _ in range(REPEATS):
        whole = _explained(ended) == len(states)
        found, roots = _grown(inputs, matches, vocabulary, longest, roots)
        ended += found
        if whole or not roots:
            break
    begun = {each.tokens[:n] for each in ended for n in range(len(each.tokens))}
    ended = [each for each in ended if each.tokens not in begun]
    certified = {each: _certified(each, matches) for each in ended}
    explained = _explained([each for each, sequence in certified.items() if sequence.certified])
    sequences = sorted(certified.values(), key=lambda each: each.tokens)
    return sequences, len(states) - explained


def looks_ahead(inputs: BlockInputs, vocabulary: int) -> bool:
    """Tell whether a position sees the tokens behind it, as in an encoder."""
    tokens = torch.arange(6).reshape(2, 3) % vocabulary
    tokens[1, 0] = tokens[0, 0]
    first, second = inputs(tokens)[:, 0]
    length = torch.linalg.vector_norm(first)
    return bool(torch.linalg.vector_norm(first - second) > TOLERANCE * length)


def _grown(
    inputs: BlockInputs,
    matches: Matches,
    vocabulary: int,
    longest: int,
    roots: Sequence[_Beginning],
) -> tuple[list[_Beginning], list[_Beginning]]:
    """Continue beginnings token by token, as long as there are recovered states for it.

    Returns:
        Those at their end, without `roots`; and those that a token has left one of their own states
        again.
    """
    open_, ended, repeated = list(roots), list[_Beginning](), list[_Beginning]()
    while open_:
        further, again = _continued(
            inputs, matches, vocabulary, [each for each in open_ if len(each.tokens) < longest]
        )
        repeated += again
        continued = {each.tokens[:-1] for each in further}
        ended += [each for each in open_ if each.tokens not in continued]
        open_ = further
    return [each for each in ended if each not in roots], repeated


def _continued(
    inputs: BlockInputs, matches: Matches, vocabulary: int, beginnings: Sequence[_Beginning]
) -> tuple[list[_Beginning], list[_Beginning]]:
    """The beginnings with one token more: with a further recovered state, and with one again.

    Of each state, the one with the smallest error.
    """
    further: dict[int, _Beginning] = {}
    repeated: dict[int, _Beginning] = {}
    for each in beginnings:
        tokens = torch.tensor(each.tokens, dtype=torch.long).expand(vocabulary, -1)
        candidates = torch.cat([tokens, torch.arange(vocabulary)[:, None]], dim=1)
        found, again = matches.errors(inputs.last(candidates), each.states)
        for best, errors in ((further, found), (repeated, again)):
            for beginning in _with_states(each, errors):
                state, error = beginning.states[-1], beginning.errors[-1]
                if state not in best or error < best[state].errors[-1]:
                    best[state] = beginning
    return list(further.values()), list(repeated.values())


def _with_states(beginning: _Beginning, errors: Tensor) -> Iterator[_Beginning]:
    """Yield a beginning with each token whose state is near a recovered one."""
    smallest, nearest = errors.min(dim=1)
    for token in torch.nonzero(smallest <= TOLERANCE).flatten().tolist():
        yield beginning.and_next(token, int(nearest[token]), float(smallest[token]))


def _explained(beginnings: Sequence[_Beginning]) -> int:
    """Number of states that belong to some."""
    return len({state for each in beginnings for state in each.states})


def _certified(found: _Beginning, matches: Matches) -> TokenSequence:
    pairs = zip(reversed(found.states), reversed(found.errors), strict=True)
    first = dict(pairs)  # a state that is there again is no rival of itself
    others = min(matches.runner_up(state, error) for state, error in first.items())
    return TokenSequence(found.tokens, max(found.errors), others)
