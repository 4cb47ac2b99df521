"""The attack on a layer pair with an expectation: inputs like those that a model computes."""

from typing import Any

from torch import Tensor

from spear.errors import ConfigError
from spear.inversion.pair.attack import SpearPair
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.starts import DrawStarts, ExpectedStarts


class SpearPairExpecting(SpearPair):
    """Finds the batch behind a layer pair by descents that begin near expected inputs.

    What is found is proven as by `SpearPair`; a wrong expectation costs time alone. It matters for
    smooth activations whose next layer's gradient spans the activations, and for many inputs:
    random starts then rarely hit. Seven of eight starts are near an expected input.

    Args:
        expected: inputs of the first layer (k x n), such as hidden states of plausible tokens.
        settings: see `SpearPair`.

    Raises:
        ConfigError: the expected inputs are no matrix, or a setting is out of range.
    """

    def __init__(self, expected: Tensor, **settings: Any) -> None:
        super().__init__(**settings)
        if expected.ndim != 2:
            raise ConfigError(
                f"expected has shape {tuple(expected.shape)}; give a matrix with one input a row "
                "(k x n)."
            )
        self.expected = expected

    @classmethod
    def like(cls, attack: SpearPair, expected: Tensor) -> "SpearPairExpecting":
        """Return an attack with the settings of another one, and an expectation."""
        return cls(expected, layer=attack.layer, method=attack.method, **vars(attack.limits))

    def _starts(self, problem: PairProblem) -> DrawStarts:
        return ExpectedStarts.of(problem, self.expected)
