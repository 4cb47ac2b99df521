"""Inputs of a model's first linear layers, which each position's own token alone decides.

Before them come the embeddings of word, position and type and their layer norm, and no attention.
So the model itself computes what each token would put in at each position.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

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
    """Inputs of the first linear layers, by token and position.

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
        longest = config.max_position_embeddings - first_position(copy.network)
        found = cls(copy, _first(copy, model), config.vocab_size, longest)
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
        parts: Iterable[Tensor] = torch.split(tokens, max(1, AT_ONCE // stop))
        for some in parts:
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


def first_position(network: nn.Module) -> int:
    """Return the number of the first position: behind that of padding, as in RoBERTa, or 0."""
    config: Any = network.config
    for each in network.modules():
        if isinstance(each, nn.Embedding) and each.num_embeddings == config.max_position_embeddings:
            return 0 if each.padding_idx is None else each.padding_idx + 1
    return 0


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
