"""Exact gradient inversion behind any activation, from the gradients of two layers in a row."""

from dataclasses import replace

import torch

from spear.attack import PairAttack, ProgressCallback
from spear.budget import Budget
from spear.errors import ConfigError
from spear.inversion.pair.choice import Method, search_for
from spear.inversion.pair.limits import Limits
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.inversion.pair.reconstruct import reconstruction_of
from spear.inversion.pair.search import run
from spear.inversion.pair.starts import DrawStarts, random_starts
from spear.observation import LayerPair
from spear.reconstruction import Reconstruction, Status


class SpearPair(PairAttack):
    """Finds the batch behind a layer, any activation and the next layer, from both gradients.

    SPEAR needs zeros in dL/dZ. Here the next layer's gradient is the witness: its row space holds
    the activations (forward consistency), and dL/dZ follows from it by the chain rule (backward
    consistency). Derivation: docs/theory/layer-pairs.md.

    Args:
        layer: first linear layer of the pair, counted from 1.
        method: "peeling", "regressions" or "descent"; None chooses by activation and next layer.
        time_limit: seconds per batch after which the search gives up; None for no limit.
        max_starts: starts after which it gives up.
        rank: batch size; None to take it from the singular values of the gradient.
        device: where to search, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self,
        layer: int = 1,
        method: str | None = None,
        time_limit: float | None = 60.0,
        max_starts: float = 1e6,
        rank: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.limits = Limits(time_limit, max_starts, rank, device)
        if method is not None and method not in list(Method):
            raise ConfigError(f"method is {method!r}; expected {', '.join(Method)} or None.")
        super().__init__(layer)
        self.method = None if method is None else Method(method)

    def __call__(
        self, observation: LayerPair, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`.

        `details` has rounds, starts, and the largest relative residual of the proof.

        Raises:
            InvalidObservation: the method does not fit the activation or the next layer.
        """
        budget = Budget(self.limits.time_limit, progress)
        with torch.no_grad():
            problem = self._problem(observation.to(self.limits.device))
            if isinstance(problem, Status):
                return Reconstruction.empty(observation.m, observation.n, problem, budget.spent)
            return self.reconstruct(problem, seed, budget)

    def reconstruct(self, problem: PairProblem, seed: int, budget: Budget) -> Reconstruction:
        """Reconstruct the batch behind a pair in factors; see `__call__`.

        Args:
            problem: the pair, on the device of the search.
            seed: of the starts.
            budget: of this search; `seconds` of the result is what it has spent.
        """
        search = search_for(problem, self.method, seed, self._starts(problem))
        status = run(search, budget, self.limits.max_starts)
        details = {"rounds": float(search.rounds), "starts": float(search.starts)}
        found = reconstruction_of(problem, search.known, status, details)
        return replace(found, seconds=budget.spent)

    def _starts(self, problem: PairProblem) -> DrawStarts:
        """Where descents begin."""
        return random_starts

    def _problem(self, pair: LayerPair) -> PairProblem | Status:
        """The pair in factors, or the status that says why there are none."""
        return pair_problem(pair, self.limits.rank)
