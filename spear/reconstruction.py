"""Result of an attack: the reconstructed batch, and how far it can be trusted."""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from html import escape
from typing import Self

import torch
from torch import Tensor


class Status(StrEnum):
    """End of an attack. Only `EXACT` claims that the batch is right; the others say why it is not.

    Attributes:
        message: the same in words, without a full stop.
    """

    message: str

    # The sparsity-matching coefficient is 1 (Definition 4.1), or two layers' gradients are met.
    EXACT = "exact", "every direction was found, and the update proves them right"
    # The pattern matches except where noise hides it, or the equations leave an error open.
    APPROXIMATE = (
        "approximate",
        "every direction was found, as exactly as the update tells them: noise, or what its "
        "equations leave open, keeps this from a proof",
    )
    ESTIMATED = "estimated", "every input was estimated; nothing proves the estimates right"
    PARTIAL = "partial", "what was found does not explain the update everywhere"
    TIMED_OUT = (
        "timed_out",
        "the time limit was reached; raise time_limit to search longer",
    )
    # Algorithm 1, line 3: N submatrices.
    SAMPLES_EXHAUSTED = (
        "samples_exhausted",
        "the largest number of submatrices was sampled; raise max_submatrices to go on",
    )
    # Nothing was learnt from this batch, and nothing leaks.
    ZERO_GRADIENT = "zero_gradient", "the gradient of the attacked layer is zero everywhere"
    # No gap in the singular values: b <= m, n fails, or noise hides it.
    FULL_RANK = (
        "full_rank",
        "the gradient of the attacked layer has full rank: its batch must be smaller than both of "
        "the layer's dimensions (by one more behind a softmax), and its noise below the smallest "
        "singular value that the inputs cause",
    )
    INTERRUPTED = (
        "interrupted",
        "the attack was interrupted; this is the best that it had found",
    )
    # The reason is recorded beside the batch.
    FAILED = "failed", "the attack could not start"

    def __new__(cls, name: str, message: str = "") -> Self:
        """Return a member whose value is the recorded name, with its message."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.message = message
        return member


RESTS_ON_BIASES = "scale_by_biases"
"""Name among `details`: 1 if nothing but the bias gradients fixes the lengths of the inputs."""


RESTS_ON_ACTIVATION = "scale_by_activation"
"""Name among `details`: 1 if the activation's shape, and no bias gradient, fixes the lengths."""

RESTS_ON_LOSS = "scale_by_loss"
"""Name among `details`: 1 if the cross-entropy of the outputs fixes the lengths of the inputs."""

LENGTHS_OPEN = "lengths_open"
"""Name among `details`: 1 if nothing fixes the lengths of the inputs, only their directions."""

SIGNS_OPEN = "signs_open"
"""Name among `details`: 1 if x and -x of some input have the same gradients."""

SIGNS_BY_LOSS = "signs_by_loss"
"""Name among `details`: 1 if the cross-entropy of the outputs fixes the signs of the inputs."""

TOLD_APART_BY_LOSS = "told_apart_by_loss"
"""Name among `details`: number of inputs that nothing but the cross-entropy tells apart."""

UNCERTAIN = "uncertain_inputs"
"""Name among `details`: number of inputs whose gradient is too near rounding to be exact."""

LEAST_CERTAIN = "least_certain"
"""Name among `details`: the row of `inputs` that is known least, counted from 0."""

LARGEST_ERROR = "largest_error"
"""Name among `details`: bound of that row's relative error."""

_SCALE = {
    RESTS_ON_BIASES: "; their lengths rest on the bias gradients alone",
    RESTS_ON_ACTIVATION: "; their lengths rest on the shape of the activation",
    RESTS_ON_LOSS: "; their lengths rest on the cross-entropy of the outputs",
    LENGTHS_OPEN: "; their directions are found, but nothing fixes their lengths",
    SIGNS_BY_LOSS: ", and their signs on the cross-entropy of the outputs",
    SIGNS_OPEN: ", and their signs are open",
    TOLD_APART_BY_LOSS: "; the cross-entropy of the outputs tells inputs without a kink apart",
}


@dataclass(frozen=True)
class Reconstruction:
    """The result of an attack on one observation, in the notation of Theorem 3.2.

    Attributes:
        inputs: X^T = Q^-1 R, one reconstructed input a row (b x n), in the units in which the
            attacked layer received them. Their order is arbitrary. 0 x n if nothing was found.
        activation_gradients: dL/dZ = L Q (m x b), its columns in the order of `inputs`; 0 x b if
            the attack observes no single layer.
        disaggregation: Q (b x b) in the attack's own decomposition dL/dW = L R; 0 x 0 without one.
        sparsity_matching: lambda in [0, 1] (Definition 4.1); 1 proves the reconstruction, NaN means
            that the attack has no such test.
        n_directions: number of candidate directions from which Q was chosen, counted up to b.
        submatrices: number of (b-1) x b submatrices sampled (n_total of Lemma 5.2).
        seconds: wall time of the attack.
        status: end of the attack. `EXACT` bounds the error that rounding leaves in an input
            by 0.1 %, from the input's share of the gradient. Layer pairs also exclude other inputs
            beyond 0.1 % nearby, and lengths by the loss are known to 0.1 %. Of one layer alone it
            is up to the scale of the bias gradient, near 1: the ReLU pattern does not pin it.
        details: further numbers of the attack, by name.
        labels: class probabilities of each input (b x K), in the order of `inputs`; None from an
            attack that recovers none.
        states: hidden states of token positions that an attack on text found, one a row; None from
            other attacks.
    """

    inputs: Tensor
    activation_gradients: Tensor
    disaggregation: Tensor
    sparsity_matching: float
    n_directions: int
    submatrices: int
    seconds: float
    status: Status
    details: dict[str, float] = field(default_factory=dict)
    labels: Tensor | None = None
    states: Tensor | None = None

    def __repr__(self) -> str:
        """Return the end of the attack on one line, without the tensors."""
        inputs = " x ".join(map(str, self.inputs.shape))
        return f"<Reconstruction {self.status}: inputs {inputs}, {self.seconds:.1f} s>"

    def _repr_html_(self) -> str:
        """Return the end of the attack for a notebook, with the message."""
        b, n = self.inputs.shape[0], self.inputs.shape[-1]
        return (
            f"<p><b>{self.status}</b>: {b} inputs of {n} entries, {self.seconds:.1f} s<br>"
            f"{escape(self.message)}</p>"
        )

    @property
    def batch_size(self) -> int:
        """Number of inputs reconstructed."""
        return self.inputs.shape[0]

    @property
    def missing(self) -> int:
        """Number of directions that were not found.

        The inputs of the directions found come first. The last `missing` rows of `inputs` only
        complete the basis.
        """
        return self.batch_size - self.n_directions

    @property
    def message(self) -> str:
        """Sentence for people, without a full stop: how the attack ended, and what is missing."""
        if self.missing == 0:
            right = self.status in (Status.EXACT, Status.APPROXIMATE)
            words = (text for name, text in _SCALE.items() if right and self.details.get(name))
            return self.status.message + "".join(words) + self._uncertain()
        return (
            f"{self.status.message}; {self.missing} of {self.batch_size} directions are missing, "
            f"those of the first {self.n_directions} inputs were found"
        )

    def _uncertain(self) -> str:
        """Which inputs are known less exactly than the others, in words."""
        count = self.details.get(UNCERTAIN)
        if not count:
            return ""
        return (
            f"; the gradients of {count:.0f} of {self.batch_size} inputs are near the update's "
            f"rounding, input {self.details[LEAST_CERTAIN]:.0f} the most, which may be wrong by "
            f"{self.details[LARGEST_ERROR]:.1%}"
        )

    @classmethod
    def estimate(
        cls,
        inputs: Tensor,
        seconds: float,
        status: Status = Status.ESTIMATED,
        details: dict[str, float] | None = None,
    ) -> "Reconstruction":
        """Return a reconstruction that consists of inputs alone, by an attack without a proof.

        Args:
            inputs: one a row (b x n), as the network receives them.
            seconds: wall time of the attack.
            status: end of the attack.
            details: further numbers of the attack, by name.
        """
        b = len(inputs)
        return cls(
            inputs=inputs,
            activation_gradients=inputs.new_zeros(0, b),
            disaggregation=inputs.new_zeros(0, 0),
            sparsity_matching=math.nan,
            n_directions=b,
            submatrices=0,
            seconds=seconds,
            status=status,
            details=details or {},
        )

    @classmethod
    def empty(cls, m: int, n: int, status: Status, seconds: float = 0.0) -> "Reconstruction":
        """Return a reconstruction without inputs, for an attack that could not begin.

        Args:
            m, n: outputs and inputs of the attacked layer.
            status: the reason.
            seconds: wall time until then.
        """
        none = torch.zeros(0, 0, dtype=torch.float64)
        return cls(
            inputs=none.new_zeros(0, n),
            activation_gradients=none.new_zeros(m, 0),
            disaggregation=none,
            sparsity_matching=0.0,
            n_directions=0,
            submatrices=0,
            seconds=seconds,
            status=status,
        )
