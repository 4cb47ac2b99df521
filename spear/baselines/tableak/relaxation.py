"""Rows of a table as free variables, every value of which is a possible row."""

import torch
from torch import Tensor
from torch.nn import functional

from spear.data.tabular import OneHot, TableDomain, split
from spear.settings import check_above_zero


class Relaxation:
    """From free variables to inputs: a softmax over categories, a sigmoid between a number's bounds
    (Vero et al., ICML 2023).

    Free variables are in the units of the network's inputs. For categories that standardisation is
    undone before the softmax, and done again after it.

    Args:
        domain: the table's; every discrete feature is one-hot.
        temperature: T of softmax(x / T) and sigmoid(x / T).

    Raises:
        ConfigError: the temperature is not above 0.
    """

    def __init__(self, domain: TableDomain, temperature: float = 1.0) -> None:
        check_above_zero(temperature=temperature)
        self._domain = domain
        self._temperature = temperature

    def __call__(self, free: Tensor) -> Tensor:
        """Inputs (... x n) whose categories each sum to 1 before standardisation."""
        numbers = split(self._domain.features, free)
        scores = split(self._domain.features, self._domain.entries(free))
        entries = [
            torch.softmax(scores[name] / self._temperature, dim=-1)
            if isinstance(feature, OneHot)
            else torch.sigmoid(numbers[name] / self._temperature)  # entries are in [0, 1]
            for name, feature in self._domain.features.items()
        ]
        return self._domain.normalized(torch.cat(entries, dim=-1))

    def projected(self, inputs: Tensor) -> Tensor:
        """The nearest inputs (... x n) that are rows: one category each, numbers as they are."""
        entries = split(self._domain.features, self._domain.entries(inputs))
        rows = [
            functional.one_hot(entries[name].argmax(dim=-1), feature.width).to(inputs)
            if isinstance(feature, OneHot)
            else entries[name]
            for name, feature in self._domain.features.items()
        ]
        return self._domain.normalized(torch.cat(rows, dim=-1))
