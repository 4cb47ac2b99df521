"""Interface of an engine: how samples behind an activation are searched for and solved anew."""

from typing import Protocol

import torch

from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem


class Engine(Protocol):
    """A way to find samples of a layer pair whose next gradient spans the activations, or not."""

    def search(self, problem: PairProblem, generator: torch.Generator) -> tuple[Samples, int]:
        """Search once, from new starts.

        Args:
            problem: the rest of a layer pair, with 1 sample or more.
            generator: of starts and subsets, on the problem's device.

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
