"""Inputs of a model's first linear layers, which each position's own token alone decides.

Before them come the embeddings of word, position and type and their layer norm, and no attention.
So the model itself computes what each token would put in at each position.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spear.errors import LayerError, VictimError
from spear.layers import linear_layers
from spear.probing import probe, run
from spear.reading import Shared
from spear.transformer.block_inputs import BlockInputs
from spear.transformer.blocks import example_inputs
from spear.transformer.standard import Standard, standard

AT_ONCE = 2**14
"""Largest number of embeddings in memory at once."""


@dataclass(frozen=True)
class Embeddings:
    """What enters the first linear layers, by token and position.

    Attributes:
        model: the model.
        layers: names of the layers, which all have the same inputs: query, key and value.
        vocabulary: number of tokens.
        longest: number of positions.
    """

    model: Standard
    layers: tuple[str, ...]
    vocabulary: int
    longest: int

    @classmethod
    def of(cls, model: Any) -> "Embeddings":
        """Return those of a model of `transformers`.

        Raises:
            VictimError: the model takes no tokens, or mixes them before its first linear layer.
        """
        copy = standard(model)
        config: Any = getattr(model, "config", None)
        if not hasattr(config, "vocab_size") or not hasattr(config, "max_position_embeddings"):
            raise VictimError(
                f"a {type(model).__name__} takes no tokens; expected a model of text, such as BERT "
                "or GPT-2: take its hidden states by spear.invert_block."
            )
        found = cls(copy, _first(copy, model), config.vocab_size, config.max_position_embeddings)
        found._check_alone()
        return found

    def gradient(self, shared: Shared) -> Tensor:
        """Return the gradients of the layers' weights, one below the other (k m x n).

        Raises:
            LayerError: none is there.
            InvalidObservation: the gradients do not fit the model.
        """
        gradients = self.model.gradients(shared)
        names = [f"{each}.weight" for each in self.layers if f"{each}.weight" in gradients]
        if not names:
            raise LayerError(
                f"{self.layers[0]}.weight has no gradient, as it is frozen or not shared; expected "
                "that of a layer behind the embeddings: attack a model whose first attention layer "
                "is trained."
            )
        return torch.cat([gradients[each] for each in names])

    def by_token(self, start: int, stop: int) -> Iterator[Tensor]:
        """Yield the embeddings of all tokens at positions start to stop - 1 (k x positions x n)."""
        inputs = BlockInputs(self.model.network, self.layers[0])
        tokens = torch.arange(self.vocabulary)[:, None].expand(-1, stop)
        for some in tokens.split(max(1, AT_ONCE // stop)):
            yield inputs(some)[:, start:]

    def _check_alone(self) -> None:
        tokens = torch.arange(6).reshape(2, 3) % self.vocabulary
        tokens[:, 0] = 0
        first, second = BlockInputs(self.model.network, self.layers[0])(tokens)[:, 0]
        if not torch.equal(first, second):
            raise VictimError(
                f"the inputs of {self.layers[0]} depend on other positions; expected those of the "
                "first linear layer to depend on a position's own token alone, as in BERT and "
                "GPT-2."
            )


def _first(copy: Standard, model: Any) -> tuple[str, ...]:
    """Names of the linear layers that have the inputs of the first one."""
    example = example_inputs(model)
    layers = {each.name: each.module for each in linear_layers(copy.network, example)}
    with torch.no_grad(), probe(layers) as calls:
        run(copy.network, example)
    first = calls[0].inputs
    same = [
        each.name
        for each in calls
        if each.inputs.shape == first.shape and torch.equal(each.inputs, first)
    ]
    return tuple(dict.fromkeys(same))
