"""From one gradient of a vision transformer to the images of its batch.

Derivation: docs/theory/vision-transformers.md.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spear.budget import Budget
from spear.inversion.pair.problem import PairProblem
from spear.observation import LayerPair
from spear.reconstruction import Status
from spear.transformer.blocks import block_at
from spear.vision.computed_attention import with_attention
from spear.vision.first_block import FirstBlock, first_block
from spear.vision.layout import example
from spear.vision.open_directions import FITTING, Positioning
from spear.vision.passes import Batch, Passes
from spear.vision.pixels import solve_tokens
from spear.vision.positions import place
from spear.vision.proof import Evidence, evidence
from spear.vision.refit import refit
from spear.vision.seen import check_patches_are_seen
from spear.vision.shared_rows import SharedRows, shared_rows
from spear.vision.states import States, feed_forward_states
from spear.vision.token_count import token_problem
from spear.vision.token_equations import token_equations
from spear.vision.whole_images import Puzzle, put_together

HOPELESS = 1e4
"""Misfit from which no refit is tried: the update is not that of a batch near the one found."""


@dataclass(frozen=True)
class RecoveredImages:
    """The images behind a gradient.

    Attributes:
        images: those that are whole, in the units of the network's inputs, in arbitrary order
            (b' x channels x height x width), float64.
        parts: the other images, as far as their patches are known, with 0 in the gaps
            ((b - b') x channels x height x width).
        output_gradients: dL/dy of each, y being the network's outputs (b' x K); 0 x 0 if images
            are missing. Under a mean cross-entropy, softmax(y) - b dL/dy are the labels.
        status: `exact` if forward and backward pass of these images reproduce every shared
            gradient to its rounding, and rounding hides no patch.
        batch_size: images that leave a trace, b: equal ones count once; 0 if nothing could be
            searched.
        tokens_found, tokens: of the first block.
        evidence: of the whole batch; None if images are missing.
        seconds: wall time.
    """

    images: Tensor
    parts: Tensor
    output_gradients: Tensor
    status: Status
    batch_size: int
    tokens_found: int
    tokens: int
    evidence: Evidence | None
    seconds: float


def recover(
    model: nn.Module, gradients: Mapping[str, Tensor], budget: Budget, seed: int = 0
) -> RecoveredImages:
    """Return the images of a batch.

    Args:
        model: a vision transformer (`spear.vision.form`), with the parameters of the client.
        gradients: of its parameters by name, in the client's precision.
        budget: of the search and the refit.
        seed: of the search.

    Raises:
        VictimError: the model has another form.
        LayerError, InvalidObservation: a gradient of the first block or the head is missing.
    """
    block = first_block(model)
    passes = Passes(model, block.layout)
    check_patches_are_seen(passes.network)
    passes.check(gradients)
    problem = token_problem(_observed(model, gradients), block.tokens)
    if isinstance(problem, Status):
        return _without_images(block, problem, budget)
    with torch.no_grad():
        puzzle, states, rows = _puzzle(block, problem, gradients, budget, seed)
    images, parts = puzzle.images[: puzzle.whole], puzzle.images[puzzle.whole :]
    found = Batch(images, images.new_zeros(0, 0))
    status, proof = Status.TIMED_OUT if budget.over() else Status.PARTIAL, None
    if len(images) == len(puzzle.images):
        sharper = with_attention(block, rows.patches, images, states.inputs)
        found, proof = _proven(block, passes, [images, sharper], gradients, budget)
        status = _verdict(proof)
    return RecoveredImages(
        images=found.images,
        parts=parts,
        output_gradients=found.outputs,
        status=status,
        batch_size=len(puzzle.images),
        tokens_found=len(states.inputs),
        tokens=states.tokens,
        evidence=proof,
        seconds=budget.spent,
    )


def _puzzle(
    block: FirstBlock,
    problem: PairProblem,
    gradients: Mapping[str, Tensor],
    budget: Budget,
    seed: int,
) -> tuple[Puzzle, States, SharedRows]:
    """The images put together, and the states and row spaces that they come from."""
    batch = _batch_size(block, problem.b)
    rows = shared_rows(gradients, block, batch)
    systems = token_equations(block, rows)
    test = Positioning(problem, block, systems)
    found = feed_forward_states(problem, test, budget, seed)
    directions = block.before_feed_forward.directions
    fits = place(directions(found.inputs), systems).residuals < FITTING
    known = directions(found.inputs[fits])
    tokens = solve_tokens(block, known, place(known, systems), systems)
    return put_together(block, tokens, batch), found, rows


def _proven(
    block: FirstBlock,
    passes: Passes,
    candidates: Sequence[Tensor],
    gradients: Mapping[str, Tensor],
    budget: Budget,
) -> tuple[Batch, Evidence]:
    """The batch, refitted to all gradients if that is needed, and its evidence.

    The first candidate that reproduces the update is taken, or else the one of the least misfit.
    """
    found = Evidence(math.inf, math.inf)
    for images in candidates:
        supposed = passes.supposed(images, gradients)
        proof = evidence(passes, supposed, gradients)
        if proof.misfit <= found.misfit:
            batch, found = supposed, proof
        if found.reproduced:
            break
    if found.reproduced or found.misfit > HOPELESS:
        return batch, found
    fitted = refit(block, passes, batch, gradients, budget)
    # The last layer tells dL/dy better than the steps do, unless its features are still off.
    tried = [fitted, passes.supposed(fitted.images, gradients)]
    proofs = [evidence(passes, each, gradients) for each in tried]
    better, proof = min(zip(tried, proofs, strict=True), key=lambda pair: pair[1].misfit)
    # A refit that explains the update only in part has moved what was right, too.
    return (better, proof) if proof.reproduced else (batch, found)


def _verdict(proof: Evidence) -> Status:
    if proof.exact:
        return Status.EXACT
    return Status.APPROXIMATE if proof.reproduced else Status.ESTIMATED


def _batch_size(block: FirstBlock, tokens: int) -> int:
    """Images behind a number of tokens. Equal images count once."""
    return math.ceil(tokens / block.tokens)


def _observed(model: nn.Module, gradients: Mapping[str, Tensor]) -> LayerPair:
    """The feed-forward block of the first block as a layer pair."""
    return block_at(model, 0, example(model)).observed(gradients)


def _without_images(block: FirstBlock, status: Status, budget: Budget) -> RecoveredImages:
    grid = block.grid
    shape = 0, grid.channels, grid.rows * grid.side, grid.columns * grid.side
    none = torch.zeros(shape, dtype=torch.float64)
    outputs = none.new_zeros(0, 0)
    return RecoveredImages(none, none, outputs, status, 0, 0, 0, None, budget.spent)
