"""Runs the attack on one layer and says how far its result can be trusted."""

import torch
from torch import Tensor

from spear.auditing.findings import Recovery, Resimulation, Spectrum, Verdict
from spear.inversion import SpearInput, SpearIrls
from spear.inversion.factors.factorization import Decomposition
from spear.layers import Sparsity
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status
from spear.scoring.matching import match

CONFIRMED = 1e-5
"""Largest residual of a re-simulation that confirms a reconstruction. Of float32 gradients it is
some 1e-7; inputs that are wrong by a thousandth leave 1e-4 and more."""

UNIT_SCALE = 1e-4
"""How far from 1 the scale of a re-simulated float32 gradient may be."""

REFUTED = 0.5
"""Residual from which on approximate inputs explain too little of the update to be called so."""

ZERO = 1e-6
"""Entries below this share of their column's root mean square count as zeros."""

TWINS = 0.999
"""Cosine from which on two inputs are nearly equal."""


def spectrum_of(found: Decomposition) -> Spectrum:
    """What a factorised update says of itself."""
    behind = float(found.noise.rows.square().mean().sqrt())
    return Spectrum(
        rank=found.b,
        signal_to_noise=float(found.singular_values[-1]) / max(behind, 1e-300),
        white=found.noise.white,
        inactive=1.0 - float(found.active.double().mean()),
    )


def attack(observation: Observation, side: Sparsity, budget: float, seed: int) -> Reconstruction:
    """The exact attack for the side of the layer on which the zeros are."""
    if side is Sparsity.GRADIENT:
        return SpearIrls(time_limit=budget)(observation, seed=seed)
    return SpearInput(time_limit=budget)(observation, seed=seed)


def recovery_of(
    found: Reconstruction, side: Sparsity, resimulation: Resimulation, truth: Tensor | None
) -> Recovery:
    """The facts about a reconstruction, in the order found.

    Args:
        found: by the attack.
        side: where its zeros are.
        resimulation: of it.
        truth: what the layer received (b x n), where that is known.
    """
    factor = found.activation_gradients if side is Sparsity.GRADIENT else found.inputs.T
    return Recovery(
        status=str(found.status),
        message="the budget was used up" if found.status is Status.TIMED_OUT else found.message,
        inputs=found.inputs,
        found=_proven(found),
        sparsity_matching=found.sparsity_matching,
        sparsity=_zeros(factor),
        twins=_twins(found.inputs),
        seconds=found.seconds,
        resimulation=resimulation,
        error=float("nan") if truth is None else largest_error(found.inputs, truth),
    )


def _proven(found: Reconstruction) -> int:
    """Directions that are right as far as the attack can tell: all, or those certified singly."""
    if found.status in (Status.EXACT, Status.APPROXIMATE):
        return found.n_directions
    singly = found.details.get("certified", found.details.get("found", 0.0))
    return min(int(singly), found.n_directions)


def verdict_of(status: Status, resimulation: Resimulation, classes: int) -> Verdict:
    """What a status says once the rest of the network has been asked.

    Of two classes (or one output) the gradients of two inputs with the same active neurons point
    along one line, so that both count as one, their weighted mean. The scale tells: an unaltered
    gradient of the right number of inputs has the scale 1.

    Args:
        status: of the attack.
        resimulation: of its result.
        classes: outputs of the network.
    """
    if status is Status.EXACT:
        merged = classes <= 2 and not abs(resimulation.scale - 1) <= UNIT_SCALE
        if resimulation.obstacle or (merged and resimulation.residual <= CONFIRMED):
            return Verdict.CONSISTENT
        return Verdict.EXACT if resimulation.residual <= CONFIRMED else Verdict.UNCONFIRMED
    if status is Status.APPROXIMATE:
        return Verdict.UNCONFIRMED if resimulation.residual > REFUTED else Verdict.APPROXIMATE
    if status in (Status.ZERO_GRADIENT, Status.FULL_RANK):
        return Verdict.NOTHING
    return Verdict.PARTIAL


def largest_error(found: Tensor, truth: Tensor) -> float:
    """Largest |x' - x| / |x| over the inputs found, each beside the true one that it matches.

    Infinite where there are more inputs than true ones, or one that is not finite.
    """
    rows, targets = found.double(), truth.double()
    if not bool(rows.isfinite().all()) or len(rows) > len(targets):
        return float("inf")
    order = match(rows, targets)
    lengths = targets.norm(dim=1).mean().clamp(min=torch.finfo(torch.float64).tiny)
    pairs = [(rows[int(k)], true) for k, true in zip(order, targets, strict=True) if k >= 0]
    return max((float((row - true).norm() / lengths) for row, true in pairs), default=float("nan"))


def _zeros(factor: Tensor) -> float:
    """Share of zeros in the columns of dL/dZ, or of X."""
    if factor.numel() == 0:
        return float("nan")
    size = factor.square().mean(dim=0, keepdim=True).sqrt()
    return float((factor.abs() <= ZERO * size).double().mean())


def _twins(inputs: Tensor) -> int:
    if len(inputs) < 2:
        return 0
    rows = torch.nn.functional.normalize(inputs, dim=1)
    return int((rows @ rows.T).triu(diagonal=1).gt(TWINS).sum())
