"""The Cocktail Party Attack: independent component analysis on a layer's weight gradient."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from spear.attack import ProgressCallback
from spear.baselines.cocktail_party.terms import dependence, mixed_signs, negentropy
from spear.baselines.cocktail_party.whitening import Whitened, whiten
from spear.baselines.gradient_matching.descent import Descent, Start
from spear.baselines.gradient_matching.optimisers import Adam
from spear.baselines.gradient_matching.problem import Value
from spear.baselines.gradient_matching.schedules import Constant
from spear.baselines.gradient_matching.total_variation import total_variation
from spear.budget import Budget
from spear.inversion.factors.factorization import Factorization, factorize
from spear.inversion.factors.factorizing_attack import FactorizingAttack
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status
from spear.settings import check_least, check_weights
from spear.update import Update

SMALLEST_SCALE = 1e-12
"""Least |scale| of a source as a share of the largest, so that all can be divided by."""


@dataclass(frozen=True)
class ImageObservation(Observation):
    """An observation of a layer whose inputs may be images.

    Attributes:
        image_shape: C x H x W of one input; None if inputs are not images, or not known to be.
    """

    image_shape: tuple[int, ...] | None = None


class CocktailParty(FactorizingAttack):
    """Unmixes the rows of dL/dW = dL/dZ X^T, which are linear combinations of the batch's inputs.

    Kariyappa et al., "Cocktail Party Attack: breaking aggregation-based privacy in federated
    learning using independent component analysis" (ICML 2023), which the paper compares with in
    Table 6. Rows W of length 1 applied to the whitened mixtures give the sources S = W X_w, and
    W minimises, by Adam from the identity,

        - negentropy * (mean negentropy of the rows of S) + decorrelation * mean(exp(T |cos|) - 1)
        + total_variation * TV(S~) + one_sign * (mixed signs of S~) + l1 * mean |S~|

    with S~ the sources before their means were subtracted, and |cos| between rows of W. No ReLU is
    needed, and nothing proves the result. ICA leaves the sign and the scale of each source open;
    they come from the bias gradient here, as SPEAR's do (Theorem 3.5), and are as right as the
    unmixing is. Compare |cos| if that matters.

    The authors give decorrelation 1.47, T 12.4, total variation 3.1 for 128 images of Tiny
    ImageNet, and leave the contrast out of their code. A pair of rows counts for 2 / b^2 and a row
    for 1 / b, so that small batches need less decorrelation: at 1.47 and 12.4 batches of 8 hardly
    leave the identity. The default is for those.

    Args:
        layer: linear layer to attack, counted from 1.
        negentropy: weight of the contrast.
        decorrelation: weight of the penalty on similar rows of W.
        sharpness: T of that penalty.
        total_variation: weight of the prior for images. It counts only if the layer receives
            the network's inputs, these are images, and `one_sign` is 0.
        one_sign: weight of the prior for outputs of a ReLU.
        l1: weight of the prior for sparse inputs.
        learning_rate: of Adam.
        iterations: of Adam.
        time_limit: seconds per batch after which the best so far is returned; None for no limit.
        rank: batch size, if the singular values of the gradient shall not decide.
        device: where to compute, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self,
        layer: int = 1,
        negentropy: float = 1.0,
        decorrelation: float = 0.1,
        sharpness: float = 5.0,
        total_variation: float = 3.1,
        one_sign: float = 0.0,
        l1: float = 0.0,
        learning_rate: float = 1e-3,
        iterations: int = 25_000,
        time_limit: float | None = None,
        rank: int | None = None,
        device: str = "cpu",
    ) -> None:
        check_weights(
            negentropy=negentropy,
            decorrelation=decorrelation,
            sharpness=sharpness,
            total_variation=total_variation,
            one_sign=one_sign,
            l1=l1,
        )
        check_least(1, iterations=iterations)
        super().__init__(layer, None, time_limit, rank, device)
        self.negentropy = negentropy
        self.decorrelation = decorrelation
        self.sharpness = sharpness
        self.total_variation = total_variation
        self.one_sign = one_sign
        self.l1 = l1
        self.iterations = iterations
        self._optimiser = Adam(learning_rate, Constant())

    def observe(self, update: Update) -> ImageObservation:
        """Implement `spear.attack.Attack`; if the layer receives images, with their shape.

        Raises:
            LayerError, InvalidObservation: see `Update.observe`.
        """
        seen = super().observe(update)
        shape = update.domain.shape
        are_images = self.layer == 1 and len(shape) == 3 and math.prod(shape) == seen.n
        return ImageObservation(**vars(seen), image_shape=shape if are_images else None)

    def __call__(
        self, observation: Observation, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`. Nothing in it is random.

        `details` has the lowest objective and iterations. If interrupted from the keyboard, it
        returns the best so far.
        """
        budget = Budget(self.time_limit, progress)
        image_shape = observation.image_shape if isinstance(observation, ImageObservation) else None
        problem = factorize(observation.to(self.device), self.rank)
        if isinstance(problem, Status):
            return Reconstruction.empty(observation.m, observation.n, problem, budget.spent)
        whitened = whiten(problem)
        descent = Descent(self.iterations, 1, budget)
        status = descent(lambda: self._start(whitened, image_shape))
        return _assembled(problem, whitened, descent, status, budget)

    def _start(self, whitened: Whitened, image_shape: tuple[int, ...] | None) -> Start:
        # Adam's steps are far above float32's rounding, and half of the bytes is twice the speed.
        mixtures, means = whitened.mixtures.float(), whitened.means.float()
        unmixing = torch.eye(len(mixtures), device=mixtures.device).requires_grad_()

        def evaluate() -> Value:
            rows = normalize(unmixing, dim=1)
            return self._objective(rows, rows @ mixtures, (rows @ means)[:, None], image_shape)

        return Start(unmixing, [], evaluate, self._optimiser.start([unmixing], self.iterations))

    def _objective(
        self, rows: Tensor, sources: Tensor, means: Tensor, image_shape: tuple[int, ...] | None
    ) -> Value:
        """The objective as the class says; terms of weight 0 are left out."""
        contrast = -self.negentropy * negentropy(sources).mean()
        shifted = sources + means
        terms = {"decorrelation": self.decorrelation * dependence(rows, self.sharpness)}
        if self.total_variation and image_shape and not self.one_sign:
            variation = total_variation(shifted.reshape(-1, *image_shape))
            terms["total_variation"] = self.total_variation * variation
        if self.one_sign:
            terms["one_sign"] = self.one_sign * mixed_signs(shifted)
        if self.l1:
            terms["l1"] = self.l1 * shifted.abs().mean()
        return Value(sum(terms.values(), contrast), contrast, terms)


def _assembled(
    problem: Factorization, whitened: Whitened, descent: Descent, status: Status, budget: Budget
) -> Reconstruction:
    """S~ = W C R, so that Q = (W C)^-1 diag(c), where c = W C L^+ dL/db by Theorem 3.5."""
    assert descent.best.inputs is not None  # the identity is always offered
    unmixing = normalize(descent.best.inputs.double(), dim=1) @ whitened.coordinates
    scales = unmixing @ problem.bias_coordinates
    least = SMALLEST_SCALE * scales.abs().max()
    scales = torch.where(scales.abs() < least, least, scales)
    # Not an inverse: nothing keeps two rows from becoming one.
    disaggregation = torch.linalg.pinv(unmixing) * scales
    inputs = (unmixing @ problem.right) / scales[:, None]
    gradients = problem.left.new_zeros(problem.m, problem.b)
    gradients[problem.active] = problem.left @ disaggregation
    return Reconstruction(
        inputs=inputs.cpu(),
        activation_gradients=gradients.cpu(),
        disaggregation=disaggregation.cpu(),
        sparsity_matching=math.nan,
        n_directions=problem.b,
        submatrices=0,
        seconds=budget.spent,
        status=status,
        details={"objective": descent.best.total, "iterations": float(descent.done)},
    )
