"""Inversion of a layer pair after several local steps (FedAvg)."""

from spear.errors import ConfigError
from spear.inversion.pair.attack import SpearPair
from spear.inversion.pair.local_steps import at_mean_weights, with_drift
from spear.inversion.pair.problem import PairProblem
from spear.observation import LayerPair
from spear.reconstruction import Status
from spear.settings import check_least
from spear.update import Update


class SpearPairFedAvg(SpearPair):
    """Finds the batch behind a layer pair that was trained for several local steps.

    The server knows how many steps the client made on its whole batch, and at which rate. It takes
    the update for the gradient at the mean weights of the steps, and allows for what the drift
    leaves. The result is `approximate` at best. The steps must be plain SGD on the whole batch: of
    others, as with momentum, the mean weights are wrong. Derivation: docs/theory/layer-pairs.md.

    Args:
        layer: first linear layer of the pair, counted from 1.
        steps: local steps T; with 1 it is `SpearPair`.
        learning_rate: eta of a step, above 0.
        time_limit: seconds per batch after which the search gives up; None for no limit.
        max_starts: starts after which it gives up.
        rank: batch size; None to take it from the singular values of the update.
        device: where to search, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self,
        layer: int = 1,
        steps: int = 1,
        learning_rate: float = 0.01,
        time_limit: float | None = 60.0,
        max_starts: float = 1e6,
        rank: int | None = None,
        device: str = "cpu",
    ) -> None:
        super().__init__(
            layer, time_limit=time_limit, max_starts=max_starts, rank=rank, device=device
        )
        check_least(1, steps=steps)
        if not 0 < learning_rate < float("inf"):
            raise ConfigError(
                f"learning_rate is {learning_rate}; expected a finite number above 0."
            )
        self.steps = steps
        self.learning_rate = learning_rate

    def observe(self, update: Update) -> LayerPair:
        """Implement `Attack.observe`: the pair at the mean weights of the steps.

        Raises:
            LayerError, InvalidObservation: see `Update.observe_pair`.
        """
        pair = super().observe(update)  # refuses what cannot be observed
        if self.steps == 1:
            return pair
        return super().observe(at_mean_weights(update, self.steps, self.learning_rate))

    def _problem(self, pair: LayerPair) -> PairProblem | Status:
        problem = super()._problem(pair)
        if self.steps == 1 or isinstance(problem, Status):
            return problem
        return with_drift(problem, pair, self.steps, self.learning_rate)
