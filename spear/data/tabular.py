"""Rows of a table as a network takes them: features that are numbers, and categories."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from spear.domain import Domain

TOLERANCE = 0.319
"""A number is right when it is off by at most so many of its standard deviations (TabLeak: Vero et
al., ICML 2023): a share of 25 % of a normal distribution lies as near to its mean."""


@dataclass(frozen=True)
class Continuous:
    """A number, scaled from [low, high] to one entry in [0, 1]."""

    low: float
    high: float
    width = 1

    @property
    def scale(self) -> float:
        """How much of the number's own unit one unit of the entry is."""
        return max(self.high - self.low, 1)

    def encode(self, values: "pd.Series[int]") -> Tensor:
        """The entries (b x 1) of b numbers; one outside [low, high] is set to the end of it."""
        numbers = torch.tensor(values.tolist(), dtype=torch.float64)
        return ((numbers - self.low) / self.scale).clamp(0, 1).float().unsqueeze(1)

    def values(self, block: Tensor) -> Tensor:
        """The whole numbers (b, float64) nearest to entries (b x 1)."""
        return (self.low + block[:, 0].double() * self.scale).round()

    def readable(self, values: Tensor) -> list[int]:
        """Values as a person writes them."""
        return [int(value) for value in values.tolist()]


@dataclass(frozen=True)
class Discrete:
    """One of several categories; its value is their number, from 0."""

    categories: tuple[str, ...]

    def numbers(self, values: "pd.Series[str]") -> Tensor:
        """The categories' numbers.

        Raises:
            KeyError: a value is none of the categories.
        """
        number = {category: i for i, category in enumerate(self.categories)}
        return torch.tensor([number[value] for value in values])

    def readable(self, values: Tensor) -> list[str]:
        """Values as a person writes them."""
        return [self.categories[int(value)] for value in values.tolist()]


class OneHot(Discrete):
    """A category as one entry each, 1 for the right one."""

    @property
    def width(self) -> int:
        """Entries that it takes."""
        return len(self.categories)

    def encode(self, values: "pd.Series[str]") -> Tensor:
        """The entries (b x width) of b categories."""
        return functional.one_hot(self.numbers(values), self.width).float()

    def values(self, block: Tensor) -> Tensor:
        """The numbers (b, float64) of the largest entries (b x width)."""
        return block.argmax(dim=1).double()


class Ordinal(Discrete):
    """A category as its number, scaled to one entry in [0, 1]."""

    width = 1

    @property
    def scale(self) -> int:
        """The last category's number, at least 1."""
        return max(len(self.categories) - 1, 1)

    def encode(self, values: "pd.Series[str]") -> Tensor:
        """The entries (b x 1) of b categories."""
        return self.numbers(values).float().unsqueeze(1) / self.scale

    def values(self, block: Tensor) -> Tensor:
        """The numbers (b, float64) of the categories nearest to entries (b x 1)."""
        return (block[:, 0].double() * self.scale).round().clamp(0, len(self.categories) - 1)


Feature = Continuous | OneHot | Ordinal


def readable(features: Mapping[str, Feature], values: Tensor) -> pd.DataFrame:
    """Values (b x features) as rows with numbers in their own units and names of categories."""
    columns = zip(features.items(), values.T, strict=True)
    return pd.DataFrame({name: feature.readable(column) for (name, feature), column in columns})


def side_by_side(table: "TableDomain", originals: Tensor, reconstructions: Tensor) -> str:
    """Values (b x features each) as CSV, each original row above its reconstruction."""
    both = pd.concat(
        [readable(table.features, each) for each in (originals, reconstructions)],
        keys=("original", "reconstruction"),
        names=["is", "row"],
    )
    return both.swaplevel().sort_index().to_csv()


def decoded(features: Mapping[str, Feature], entries: Tensor) -> Tensor:
    """The values (b x features, float64, on the CPU) nearest to entries in [0, 1] (b x n)."""
    blocks = split(features, entries.detach().cpu())
    columns = [feature.values(blocks[name]) for name, feature in features.items()]
    return torch.stack(columns, dim=1)


def split(features: Mapping[str, Feature], entries: Tensor) -> dict[str, Tensor]:
    """The entries (... x n) of each feature (... x width), by name."""
    blocks = torch.split(entries, [feature.width for feature in features.values()], dim=-1)
    return dict(zip(features, blocks, strict=True))


@dataclass(frozen=True)
class TableDomain(Domain):
    """Inputs that are rows of a table: what the server, which designed the network, knows of them.

    Attributes:
        features: by name, in the order of the entries.
        mean, std: of each entry (n): the network receives (entry - mean) / std. 0 and 1 where
            inputs are not normalised.
        deviations: standard deviation of each number in its own unit, by name.
    """

    features: Mapping[str, Feature]
    mean: Tensor
    std: Tensor
    deviations: Mapping[str, float]

    def to(self, device: torch.device | str) -> "TableDomain":
        """Implement `Domain`."""
        tensors = (each.to(device) for each in (self.lower, self.upper, self.mean, self.std))
        lower, upper, mean, std = tensors
        return TableDomain(self.shape, lower, upper, self.features, mean, std, self.deviations)

    def entries(self, inputs: Tensor) -> Tensor:
        """From what the network receives to entries in [0, 1] (both ... x n)."""
        return inputs * self.std.to(inputs) + self.mean.to(inputs)

    def normalized(self, entries: Tensor) -> Tensor:
        """From entries in [0, 1] to what the network receives (both ... x n)."""
        return (entries - self.mean.to(entries)) / self.std.to(entries)

    def values(self, inputs: Tensor) -> Tensor:
        """What the rows (b x n, as the network receives them) say: b x features, float64.

        A whole number in its own unit, or the number of a category.
        """
        return decoded(self.features, self.entries(inputs))

    def rows(self, inputs: Tensor) -> pd.DataFrame:
        """The readable rows nearest to inputs (b x n, as the network receives them)."""
        return readable(self.features, self.values(inputs))

    @property
    def is_discrete(self) -> Tensor:
        """Which features are categories (bool)."""
        return torch.tensor([isinstance(each, Discrete) for each in self.features.values()])

    def wrong(self, found: Tensor, true: Tensor) -> Tensor:
        """Which values are wrong: another category, or a number off by more than `TOLERANCE`.

        Args:
            found, true: values (... x features), broadcast against each other.
        """
        tolerances = [TOLERANCE * self.deviations.get(name, 0.0) for name in self.features]
        return (found - true).abs() > torch.tensor(tolerances, dtype=torch.float64)

    def distances(self, found: Tensor, true: Tensor) -> Tensor:
        """Share of wrong values of each row to each (b x b'): what TabLeak matches rows by.

        Rows that are wrong in equally many values are ordered by how far their numbers are off.

        Args:
            found: values, b' x features.
            true: values, b x features.
        """
        found, true = found[None], true[:, None]
        units = [self.deviations.get(name) or torch.inf for name in self.features]
        off = ((found - true).abs() / torch.tensor(units, dtype=torch.float64)).clamp_max(1.0)
        return self.wrong(found, true).double().mean(dim=2) + 1e-6 * off.mean(dim=2)
