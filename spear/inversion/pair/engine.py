"""Interface of an engine: how samples behind an activation are searched for and solved anew."""

from typing import Protocol

import torch

from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem


class Engine(Protocol):
    """A way to find samples of a layer pair whose next gradient spans the activations, or not."""

    def search(
        self, problem: PairProblem, generator: torch.Generator, slack: float = 1.0
    ) -> tuple[Samples, int]:
        """Search once, from new starts.

        Args:
            problem: the rest of a layer pair, with 1 sample or more.
            generator: of starts and subsets, on the problem's device.
            slack: factor on the squared residuals up to which samples are taken for right.

        Returns:
            Samples that fit together, possibly none, and the number of starts made.
        """
        ...

    def renewed(self, problem: PairProblem, samples: Samples) -> Samples:
        """Solve nearly right samples again on the whole problem, without the errors of peeling.

        Returns:
            Those that are right, in their order.
        """
        ...

    def sharpened(self, problem: PairProblem, samples: Samples) -> Samples:
        """Solve right samples as exactly as both gradients allow, when no others are found.

        Returns:
            Those beyond doubt, in their order.
        """
        ...
