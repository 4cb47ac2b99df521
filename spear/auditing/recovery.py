"""Attack on a layer, and judgement how far its result can be trusted."""

import math

import torch
from torch import Tensor

from spear.auditing.findings import Recovery, Resimulation, Spectrum
from spear.auditing.limits import CONFIRMED
from spear.auditing.verdicts import Equation, Verdict
from spear.inversion import SpearInput, SpearIrls, SpearPair
from spear.inversion.factors.factorization import BIAS_ROUNDING, Decomposition
from spear.inversion.factors.rank import GAP
from spear.observation import LayerPair, Observation
from spear.reconstruction import Reconstruction, Status
from spear.scoring.matching import match

UNIT_SCALE = 1e-4
"""Largest distance of the scale of a re-simulated float32 gradient from 1."""

REFUTED = 0.5
"""Largest residual of inputs that count as approximate; beyond, they do not explain the update."""

EXPLAINED = 100.0
"""Largest residual of such inputs that errors of floating point explain, in units of these, over
the smallest signal; 40 in gradients of half precision."""

LEAST_REFUTED = 1e-3
"""Residual up to which they count as approximate, however small the errors."""

ZERO = 1e-6
"""Share of a column's root mean square below which an entry counts as zero."""

SHARP = 1e4
"""Least signal, in units of the noise, of an update with no errors but those of float32."""

TOO_SHARP = 1e12
"""Signal, in units of the noise, of an update without rounding: signs or other whole numbers."""

MISFIT = 3.0
"""Largest distance of a bias gradient from the columns of dL/dZ, in units of what noise explains;
in batches whose inputs all have a gradient of the weights it is below 1."""

TWINS = 0.999
"""Cosine above which two inputs count as nearly equal."""


def spectrum_of(found: Decomposition) -> Spectrum:
    """Return rank, noise and inactive neurons of a factorised update."""
    behind = float(found.noise.rows.square().mean().sqrt())
    return Spectrum(
        rank=found.b,
        gap=found.gap >= GAP,
        signal_to_noise=float(found.singular_values[-1]) / max(behind, 1e-300),
        white=found.noise.white,
        inactive=1.0 - float(found.active.double().mean()),
    )


def attack(
    observation: Observation | LayerPair, equation: Equation, budget: float, seed: int
) -> Reconstruction:
    """Run the exact attack that solves an equation.

    Args:
        observation: of the layer; of the layer pair for `Equation.PAIR`.
        equation: the one to solve.
        budget: seconds that the attack may take.
        seed: of the attack.
    """
    if isinstance(observation, LayerPair):
        return SpearPair(time_limit=budget)(observation, seed=seed)
    if equation is Equation.GRADIENT:
        return SpearIrls(time_limit=budget)(observation, seed=seed)
    return SpearInput(time_limit=budget)(observation, seed=seed)


def recovery_of(
    found: Reconstruction,
    equation: Equation,
    verdict: Verdict,
    spectrum: Spectrum,
    fits: bool,
    resimulation: Resimulation,
    truth: Tensor | None,
) -> Recovery:
    """Return the facts about a reconstruction, with its inputs in the order of the attack.

    Args:
        found: the reconstruction.
        equation: the one that was solved.
        verdict: on the layer.
        spectrum: of the layer's update.
        fits: whether the bias gradient is one of the inputs found (`bias_misfit`).
        resimulation: test of the reconstruction by the rest of the network.
        truth: true inputs of the layer (b x n); None if they are not known.
    """
    proven = _proven(found, equation, verdict, spectrum, fits)
    return Recovery(
        status=str(found.status),
        message=_message(found.status),
        inputs=found.inputs,
        found=proven,
        candidates=found.n_directions if verdict is Verdict.UNCONFIRMED else proven,
        sparsity_matching=found.sparsity_matching,
        sparsity=_sparsity(found, equation),
        twins=_twins(found.inputs),
        seconds=found.seconds,
        resimulation=resimulation,
        misfit=found.details.get("residual", math.nan),
        error=float("nan") if truth is None else largest_error(found.inputs, truth),
    )


def _message(status: Status) -> str:
    return "the budget was used up" if status is Status.TIMED_OUT else status.message


def bias_misfit(found: Decomposition, observation: Observation, transposed: bool) -> float:
    """Return how far dL/db is from the columns of dL/dZ, in units of what noise explains.

    It is far if an input of zeros has a gradient, which reaches the bias alone, or if the update
    was altered.

    Args:
        found: factorised update; of its transpose if `transposed`.
        observation: of the layer.
        transposed: whether the zeros are in the inputs.
    """
    bias = observation.bias_gradient.double()
    columns = found.right.T.double()
    if not transposed:
        columns = columns.new_zeros(len(bias), found.b)
        columns[found.active] = found.left.double()
    basis = torch.linalg.qr(columns).Q
    left = float((bias - basis @ (basis.T @ bias)).norm())
    rounding = float(bias.norm()) * max(BIAS_ROUNDING, 1 / spectrum_of(found).signal_to_noise)
    noise = float(found.noise.rows.square().mean().sqrt()) * len(bias) ** 0.5
    return left / max(rounding + noise, torch.finfo(torch.float64).tiny)


def doubt(equation: Equation, misfit: float, resimulation: Resimulation) -> str:
    """Return why inputs that noise blurs may be wrong although they fit; empty if nothing says so.

    Args:
        equation: the one that was solved.
        misfit: of its bias gradient (`bias_misfit`).
        resimulation: test of the inputs by the rest of the network.
    """
    if misfit > MISFIT:
        return (
            "its bias gradient is not one of the inputs found: an input of zeros has a gradient, "
            "too, or the update was altered"
        )
    if equation is Equation.INPUT and resimulation.obstacle:
        return "noise blurs the zeros of its inputs, and the rest of the model does not test them"
    return ""


def of_signs(gradient: Tensor) -> bool:
    """Return whether each row of a gradient has entries of one magnitude alone, and zeros.

    Such is an update of signs, also if each row has a scale of its own.

    Args:
        gradient: of a layer's weights (m x n).
    """
    sizes = gradient.double().abs()
    largest = sizes.amax(dim=1, keepdim=True)
    other = (sizes > ZERO * largest) & (sizes < (1.0 - ZERO) * largest)
    return not bool(other.any())


def _proven(
    found: Reconstruction, equation: Equation, verdict: Verdict, spectrum: Spectrum, fits: bool
) -> int:
    """Return the number of inputs that something proves right.

    An input of a layer before a ReLU is a row of Q^-1 R, which is right only if all columns of Q
    are. Behind a ReLU, the zeros of an input determine it alone if nothing but rounding blurs them.
    """
    if verdict in (Verdict.EXACT, Verdict.CONSISTENT, Verdict.APPROXIMATE):
        return found.n_directions
    rounded = SHARP < spectrum.signal_to_noise < TOO_SHARP
    sharp = spectrum.gap and not spectrum.white and rounded and fits
    if verdict is Verdict.PARTIAL and equation is Equation.INPUT and sharp:
        return min(int(found.details.get("found", 0.0)), found.n_directions)
    return 0


def verdict_of(
    status: Status, resimulation: Resimulation, classes: int, spectrum: Spectrum
) -> Verdict:
    """Return the verdict on a layer from the attack's status and the re-simulation.

    With two classes (or one output) the gradients of two inputs with the same active neurons are
    parallel, so that the attack finds one input, their weighted mean. The scale shows this: an
    unaltered gradient of the right number of inputs has the scale 1.

    Args:
        status: end of the attack.
        resimulation: test of its result by the rest of the network.
        classes: number of the network's outputs; 0 if it is not known.
        spectrum: of the layer's update.
    """
    if status is Status.EXACT:
        if resimulation.free and resimulation.residual <= CONFIRMED:
            return Verdict.CONSISTENT
        merged = classes <= 2 and not abs(resimulation.scale - 1) <= UNIT_SCALE
        if resimulation.obstacle or (merged and resimulation.residual <= CONFIRMED):
            return Verdict.CONSISTENT
        return Verdict.EXACT if resimulation.residual <= CONFIRMED else Verdict.UNCONFIRMED
    if status is Status.APPROXIMATE:
        explained = max(LEAST_REFUTED, EXPLAINED / spectrum.signal_to_noise)
        limit = REFUTED if spectrum.white else min(REFUTED, explained)
        return Verdict.UNCONFIRMED if resimulation.residual > limit else Verdict.APPROXIMATE
    if status in (Status.ZERO_GRADIENT, Status.FULL_RANK):
        return Verdict.NOTHING
    return Verdict.PARTIAL


def largest_error(found: Tensor, truth: Tensor) -> float:
    """Return the largest error |x' - x| of an input, relative to the mean length of the true ones.

    Infinite if there are more inputs than true ones, or if one is not finite.

    Args:
        found: inputs found (b' x n), in any order.
        truth: true inputs (b x n).
    """
    rows, targets = found.double(), truth.double()
    if not bool(rows.isfinite().all()) or len(rows) > len(targets):
        return float("inf")
    order = match(rows, targets)
    lengths = targets.norm(dim=1).mean().clamp(min=torch.finfo(torch.float64).tiny)
    pairs = [(rows[int(k)], true) for k, true in zip(order, targets, strict=True) if k >= 0]
    return max((float((row - true).norm() / lengths) for row, true in pairs), default=float("nan"))


def _sparsity(found: Reconstruction, equation: Equation) -> float:
    if equation.of_pair:
        return math.nan
    return _zeros(found.activation_gradients if equation is Equation.GRADIENT else found.inputs.T)


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
