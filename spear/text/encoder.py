"""Text of an encoder: sequences whose hidden states, computed by the model, equal recovered ones.

Each state of an encoder depends on the whole sequence. The span test (`spear.text.dager`) names the
candidates of each position, and each recovered state is nearest to the one of its own token under
any context. Then each state is solved for the weights of the candidates that it attends to
(`spear.text.blend`), by Gauss-Newton steps with weights of at least 0. They round to a sequence,
and the model's own states of it decide.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import torch
from scipy.optimize import nnls
from torch import Tensor

from spear.text.blend import Blend, Candidates
from spear.text.certificate import TOLERANCE, Tokens, TokenSequence
from spear.text.dager import TokensInSpan
from spear.transformer.block_inputs import BlockInputs

STEPS = 6
"""Gauss-Newton steps before a search ends."""

HALF = 0.5
"""Weight from which a token belongs to the sequence."""


@dataclass(frozen=True)
class _Found:
    """A sequence and the recovered states that are nearest to its own."""

    sequence: TokenSequence
    states: tuple[int, ...]


class _Check:
    """Comparison of sequences with recovered states by the model's own forward pass."""

    def __init__(self, inputs: BlockInputs, states: Tensor, candidates: Candidates) -> None:
        self.inputs = inputs
        self.states = states
        self.candidates = candidates
        self._lengths = torch.linalg.vector_norm(states, dim=1)
        self._seen: set[Tokens] = set()

    def __call__(self, proposals: Iterable[Tokens]) -> Iterator[_Found]:
        """Yield the new proposals all of whose states are recovered ones."""
        for each in sorted(set(proposals) - self._seen):
            self._seen.add(each)
            own = self.inputs(torch.tensor([each]))[0]
            errors, nearest = (torch.cdist(own, self.states) / self._lengths).min(dim=1)
            if float(errors.max()) <= TOLERANCE:
                others = self._runner_up(each, nearest)
                yield _Found(
                    TokenSequence(each, float(errors.max()), others), tuple(nearest.tolist())
                )

    def _runner_up(self, tokens: Tokens, nearest: Tensor) -> float:
        """Smallest error of any sequence with one token changed, or added or left out at the end.

        The error is the largest distance to the same states.
        """
        smallest = torch.inf
        target, lengths = self.states[nearest], self._lengths[nearest]
        for some in _neighbours(tokens, self.candidates):
            common = min(some.shape[1], len(tokens))
            away = self.inputs(some)[:, :common] - target[:common]
            errors = torch.linalg.vector_norm(away, dim=-1) / lengths[:common]
            smallest = min(smallest, float(errors.amax(dim=1).min()))
        return smallest


def read_encoder(
    inputs: BlockInputs, states: Tensor, within: TokensInSpan
) -> tuple[list[TokenSequence], int]:
    """Return the sequences behind hidden states of an encoder's first block.

    Args:
        inputs: of the first block.
        states: recovered ones (b x d).
        within: tokens that may stand at each position.

    Returns:
        The sequences, and the number of states that belong to no certified one.

    Raises:
        VictimError: the model does not compute with weights of the tokens attended to.
    """
    states = states.double()
    blend = Blend(inputs)
    candidates = _listed(within)
    check = _Check(inputs, states, candidates)
    found: list[_Found] = []
    open_ = torch.arange(len(states))
    while len(open_) and len(candidates):
        candidates, own = _paired(blend, candidates, states[open_])
        before = len(open_)
        for proposals in _proposed(blend, candidates, own, states[open_]):
            found += check(proposals)
            open_ = _unexplained(found, len(states))
            if len(open_) < before:
                break
        else:
            break
    sequences = sorted((each.sequence for each in found), key=lambda each: each.tokens)
    return sequences, len(open_)


def _listed(within: TokensInSpan) -> Candidates:
    pairs = [(token, place) for place, each in enumerate(within.tokens) for token in each]
    tokens, positions = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T
    return Candidates(tokens, positions)


def _paired(blend: Blend, candidates: Candidates, states: Tensor) -> tuple[Candidates, Tensor]:
    """Candidates that are nearest to a state when all attend to all, and the one of each state."""
    weights = candidates.shares().expand(1, len(candidates), -1)
    mixed = blend(candidates, candidates, weights)[0]
    kept, own = torch.unique(torch.cdist(states, mixed).argmin(dim=1), return_inverse=True)
    return candidates.at(kept), own


def _proposed(
    blend: Blend, candidates: Candidates, own: Tensor, states: Tensor
) -> Iterator[list[Tokens]]:
    """Yield sequences after each Gauss-Newton step for the weights, one from each state."""
    asking = candidates.at(own)
    fixed = asking.positions[:, None] == candidates.positions
    weights = candidates.shares().expand(len(own), -1).masked_fill(fixed, 0.0)
    weights[torch.arange(len(own)), own] = 1.0
    for _ in range(STEPS):
        now, slopes = blend.slopes(asking, candidates, weights)
        missing = states - now
        for row, free in enumerate(~fixed):
            slope = slopes[:, row].T[:, free]
            if not free.any():  # scipy's nnls corrupts memory without unknowns
                continue
            target = missing[row] + slope @ weights[row, free]
            with suppress(RuntimeError):  # no convergence: the weights stay, and others may do
                best, _ = nnls(slope.numpy(), target.numpy(), maxiter=100 * len(candidates))
                weights[row, free] = torch.from_numpy(best).clamp(max=1.0)
        yield [_rounded(candidates, each) for each in weights]


def _rounded(candidates: Candidates, weights: Tensor) -> Tokens:
    """The heaviest token of each position, up to the last position that has a heavy one."""
    last = int(candidates.positions[weights >= HALF].max())
    tokens = []
    for position in range(last + 1):
        here = candidates.positions == position
        if here.any():
            tokens.append(int(candidates.tokens[here][weights[here].argmax()]))
    return tuple(tokens)


def _neighbours(tokens: Tokens, candidates: Candidates) -> Iterator[Tensor]:
    """Sequences that differ in one token, or by one at the end, those of a length together."""
    end = len(tokens)
    given = torch.tensor(tokens)
    within = candidates.at(candidates.positions < end)
    others = within.at(within.tokens != given[within.positions])
    changed = given.expand(len(others), -1).clone()
    changed[torch.arange(len(others)), others.positions] = others.tokens
    more = candidates.at(candidates.positions == end).tokens[:, None]
    longer = torch.cat([given.expand(len(more), -1), more], dim=1)
    yield from (each for each in (changed, longer, given[None, :-1]) if each.numel())


def _unexplained(found: Iterable[_Found], count: int) -> Tensor:
    """States that belong to no certified sequence."""
    left = torch.ones(count, dtype=torch.bool)
    for each in found:
        if each.sequence.certified:
            left[list(each.states)] = False
    return torch.nonzero(left).flatten()
