"""States of tokens that attend to a blend of sequences, token by token with a weight.

A softmax over the tokens of a sequence is one over all candidates with weights 1 for those of the
sequence and 0 for the others. With weights between, the state is a smooth function of them, so
that the sequence behind a state can be found by descent. The model computes it: all candidates
stand in one long sequence, at positions of their own, under an additive mask of the logarithms.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spear.errors import VictimError
from spear.text.embeddings import first_position
from spear.transformer.block_inputs import BlockInputs

AT_ONCE = 2**21
"""Largest number of entries of the masks in memory at once."""

STEP = 0.05
"""Change of a weight by which the derivative is taken."""

EQUAL = 1e-4
"""Relative error up to which a run under a mask equals one without."""


@dataclass(frozen=True)
class Candidates:
    """Tokens that may stand at positions.

    Attributes:
        tokens, positions: of each (N).
    """

    tokens: Tensor
    positions: Tensor

    def __len__(self) -> int:
        """Return their number."""
        return len(self.tokens)

    def at(self, which: Tensor) -> "Candidates":
        """Return some of them, by index or by truth."""
        return Candidates(self.tokens[which], self.positions[which])

    def shares(self) -> Tensor:
        """Return for each one over the number of candidates at its position (N)."""
        return 1 / torch.bincount(self.positions)[self.positions].double()


class Blend:
    """States that enter the first block of an encoder, by weights of the tokens attended to.

    Args:
        inputs: of the block.
    """

    def __init__(self, inputs: BlockInputs) -> None:
        self.inputs = inputs
        self._offset = first_position(inputs.network)
        self._dtype = next(inputs.network.parameters()).dtype
        self._check()

    def __call__(self, asking: Candidates, asked: Candidates, weights: Tensor) -> Tensor:
        """Return the state of each asking token (k x M x d).

        Args:
            asking: M tokens.
            asked: N tokens that they attend to.
            weights: k x M x N, from 0 to 1.
        """
        m, total = len(asking), len(asking) + len(asked)
        tokens = torch.cat([asking.tokens, asked.tokens])[None]
        positions = torch.cat([asking.positions, asked.positions])[None] + self._offset
        parts = []
        for some in _split(weights, total):
            mask = torch.zeros(len(some), 1, total, total, dtype=self._dtype)
            lowest = torch.finfo(self._dtype).min
            mask[:, 0, :m, :m] = lowest
            mask[:, 0, :m, m:] = some.log().clamp(min=lowest)
            tall = tokens.expand(len(some), -1)
            states = self.inputs.under(
                tall, position_ids=positions.expand_as(tall), attention_mask=mask
            )
            parts.append(states[:, :m])
        return torch.cat(parts)

    def slopes(
        self, asking: Candidates, asked: Candidates, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the states (M x d) under weights (M x N), and their derivatives (N x M x d)."""
        states = self(asking, asked, weights[None])[0]
        moved = [self(asking, asked, each) for each in _moved(weights, len(asking) + len(asked))]
        return states, (torch.cat(moved) - states) / STEP

    def _check(self) -> None:
        """Refuse a model that does not compute under such a mask."""
        config: Any = self.inputs.network.config
        padding = getattr(config, "pad_token_id", None)
        words = torch.tensor([each for each in range(5) if each != padding][:4])
        tokens = words[:3]
        three = Candidates(tokens, torch.arange(3))
        doubled = Candidates(words, torch.tensor([0, 1, 2, 1]))
        weights = torch.tensor([1.0, 1.0, 1.0, 0.0]).expand(1, 3, -1)
        plain = self.inputs(tokens[None])[0]
        try:
            masked = self(three, doubled, weights)[0]
        except (TypeError, ValueError, RuntimeError, IndexError) as error:
            raise self._unsuited() from error
        if torch.linalg.vector_norm(plain - masked) > EQUAL * torch.linalg.vector_norm(plain):
            raise self._unsuited()

    def _unsuited(self) -> VictimError:
        return VictimError(
            f"a {type(self.inputs.network).__name__} computes differently with position_ids and an "
            "additive attention_mask for each pair of positions; expected an encoder that takes "
            "both, such as BERT: take its hidden states by spear.invert_block."
        )


def _moved(weights: Tensor, total: int) -> Iterator[Tensor]:
    """Weights (... x M x N) of which one column each is larger by `STEP`, in parts."""
    for some in _split(torch.arange(weights.shape[1]), total):
        moved = weights.expand(len(some), -1, -1).clone()
        moved[torch.arange(len(some)), :, some] += STEP
        yield moved


def _split(of_each: Tensor, total: int) -> Iterable[Tensor]:
    """Parts of a tensor with one mask of total x total a row."""
    parts: Iterable[Tensor] = torch.split(of_each, max(1, AT_ONCE // total**2))
    return parts
