"""Sequences of a decoder, token after token: those all of whose inputs of a layer are in a span.

The input at a position depends on the tokens up to it alone. So all continuations of a known
beginning are computed, and those of the batch are recognised: their inputs are in the row space of
the layer's gradient. This is the second test of DAGER (Petrov et al., NeurIPS 2024), whose layer is
the second attention.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from spear.text.certificate import Tokens
from spear.text.span import Span
from spear.transformer.block_inputs import BlockInputs

AT_ONCE = 2**14
"""Continuations whose inputs are in memory at once."""


def grown(
    choices: Iterable[Sequence[int]], span: Span, inputs: BlockInputs, beam: int
) -> list[Tokens]:
    """Return the sequences whose inputs are in a span, the longest first.

    One that is the beginning of another is left out.

    Args:
        choices: tokens that may stand at each position, from the first on.
        span: of the gradient of the layer.
        inputs: of the layer.
        beam: beginnings that are continued at most, the nearest first.
    """
    ended: list[Tokens] = []
    open_: list[Tokens] = [()]
    for tokens in choices:
        further = [(*each, token) for each in open_ for token in tokens]
        distances = _distances(further, span, inputs)
        kept = torch.nonzero(distances <= span.threshold).flatten()
        kept = kept[distances[kept].argsort(stable=True)][:beam]
        following = [further[i] for i in kept.tolist()]
        continued = {each[:-1] for each in following}
        ended += [each for each in open_ if each and each not in continued]
        open_ = following
        if not open_:
            break
    return sorted([*ended, *open_], key=lambda each: (-len(each), each))


def _distances(sequences: Sequence[Tokens], span: Span, inputs: BlockInputs) -> Tensor:
    """Distance of the last input of each sequence from the span."""
    parts = torch.split(torch.tensor(sequences), AT_ONCE)
    return torch.cat([span.distances(inputs.last(each)) for each in parts])
