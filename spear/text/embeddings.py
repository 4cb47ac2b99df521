"""Inputs of a model's first linear layers, which each position's own token alone decides.

Before them come the embeddings of word, position and type and their layer norm, and no attention.
So the model itself computes what each token would put in at each position.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spear.errors import LayerError, VictimError
from spear.layers import linear_layers
from spear.probing import Call, probe, run
from spear.reading import Shared
from spear.transformer.block_inputs import BlockInputs
from spear.transformer.blocks import example_inputs, feed_forward_blocks
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
        found = cls(copy, _alike(_calls(copy, model)), config.vocab_size, longest)
        found._check_alone()
        return found

    def gradient(self, shared: Shared) -> Tensor:
        """Return the gradients of the layers' weights, one below the other (k m x n).

        Raises:
            LayerError: none is there.
            InvalidObservation: the gradients do not fit the model.
        """
        return _stacked(self.model, self.layers, shared)

    def second_attention(self) -> "SecondAttention | None":
        """Return the query, key and value behind the first block; None if there is one block."""
        blocks = feed_forward_blocks(self.model.original)
        if len(blocks) < 2:
            return None
        calls = _calls(self.model, self.model.original)
        names = [each.name for each in calls]
        return SecondAttention(
            self.model, _alike(calls[names.index(blocks[0].pair.following.name) + 1 :])
        )

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
    model: Any = network
    words, longest = model.get_input_embeddings(), model.config.max_position_embeddings
    for each in network.modules():
        if isinstance(each, nn.Embedding) and each is not words and each.num_embeddings == longest:
            return 0 if each.padding_idx is None else each.padding_idx + 1
    return 0


@dataclass(frozen=True)
class SecondAttention:
    """Linear layers that take the outputs of the first block: query, key and value.

    Attributes:
        model: the model.
        layers: names of the layers, which all have the same inputs.
    """

    model: Standard
    layers: tuple[str, ...]

    @property
    def inputs(self) -> BlockInputs:
        """Inputs of the layers, for tokens of one's own."""
        return BlockInputs(self.model.network, self.layers[0])

    def gradient(self, shared: Shared) -> Tensor:
        """Return the gradients of the layers' weights; see `Embeddings.gradient`."""
        return _stacked(self.model, self.layers, shared)


def _stacked(model: Standard, layers: Sequence[str], shared: Shared) -> Tensor:
    gradients = model.gradients(shared)
    names = [f"{each}.weight" for each in layers if f"{each}.weight" in gradients]
    if not names:
        raise LayerError(
            f"{layers[0]}.weight has no gradient, as it is frozen or not shared; expected that of "
            "a layer in front of an attention: attack a model whose first attention layers are "
            "trained."
        )
    return torch.cat([gradients[each] for each in names])


def _calls(copy: Standard, model: Any) -> list[Call]:
    """Linear layers as they are called on an example."""
    example = example_inputs(model)
    layers = {each.name: each.module for each in linear_layers(copy.network, example)}
    with torch.no_grad(), probe(layers) as calls:
        run(copy.network, example)
    return calls


def _alike(calls: Sequence[Call]) -> tuple[str, ...]:
    """Names of the linear layers that have the inputs of the first one."""
    first = calls[0].inputs
    same = [
        each.name
        for each in calls
        if each.inputs.shape == first.shape and torch.equal(each.inputs, first)
    ]
    return tuple(dict.fromkeys(same))
