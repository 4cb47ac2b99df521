"""Inputs of a feed-forward block, computed by a run that ends there."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn

from spear.probing import run
from spear.transformer.blocks import Block

CHUNK = 2**16
"""Largest number of positions that run at once."""


class _ReachedError(Exception):
    """The run is where it has to end."""


class BlockInputs:
    """Inputs of a module of a model, without dropout, for tokens of one's own.

    Args:
        network: the model, a copy of one's own: it is set to evaluation mode.
        name: of the module, such as the first layer of a block.
    """

    def __init__(self, network: nn.Module, name: str) -> None:
        self.network = network.eval()
        self.module = network.get_submodule(name)
        self.device = next(network.parameters()).device

    @classmethod
    def of(cls, block: Block) -> "BlockInputs":
        """Return the inputs of a block."""
        return cls(block.model.network, block.name)

    def __call__(self, tokens: Tensor) -> Tensor:
        """Return the module's inputs for sequences of equal length (k x t) as k x t x d.

        They are float64, as the recovered ones are; the model computes in its own precision.
        """
        return torch.cat([self._run(each) for each in _chunks(tokens)]).double()

    def last(self, tokens: Tensor) -> Tensor:
        """Return the same of the last position of each sequence (k x d)."""
        return torch.cat([self._run(each)[:, -1] for each in _chunks(tokens)]).double()

    def under(self, tokens: Tensor, **others: Tensor) -> Tensor:
        """Return the inputs for sequences (k x t) and further inputs of the model, by name."""
        return self._run(tokens, **others).double()

    def _run(self, tokens: Tensor, **others: Tensor) -> Tensor:
        named = {name: each.to(self.device) for name, each in others.items()}
        with torch.no_grad(), self._ending() as seen, suppress(_ReachedError):
            run(self.network, {"input_ids": tokens.to(self.device), **named})
        return seen[0].reshape(*tokens.shape, -1).cpu()

    @contextmanager
    def _ending(self) -> Iterator[list[Tensor]]:
        seen: list[Tensor] = []

        def end(module: nn.Module, args: tuple[Any, ...]) -> None:
            seen.append(args[0])
            raise _ReachedError

        handle = self.module.register_forward_pre_hook(end)
        try:
            yield seen
        finally:
            handle.remove()


def _chunks(tokens: Tensor) -> Iterable[Tensor]:
    found: Iterable[Tensor] = torch.split(tokens, max(1, CHUNK // tokens.shape[1]))
    return found
