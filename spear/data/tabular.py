"""Rows of a table as inputs of a network: each feature is a number or a category."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from spear.domain import Domain

TOLERANCE = 0.319
"""Greatest error of a right number, in standard deviations of the feature (TabLeak: Vero et al.,
ICML 2023). A share of 25 % of a normal distribution lies as near to its mean."""


@dataclass(frozen=True)
class Continuous:
    """Feature that is a whole number, scaled from [low, high] to one entry in [0, 1]."""

    low: float
    high: float
    width = 1

    @property
    def scale(self) -> float:
        """Length of [low, high] in the number's own unit, at least 1."""
        return max(self.high - self.low, 1)

    def encode(self, values: "pd.Series[int]") -> Tensor:
        """Return the entries (b x 1) of b numbers, which are clipped to [low, high]."""
        numbers = torch.tensor(values.tolist(), dtype=torch.float64)
        return ((numbers - self.low) / self.scale).clamp(0, 1).float().unsqueeze(1)

    def values(self, block: Tensor) -> Tensor:
        """Return the whole numbers (b, float64) nearest to entries (b x 1)."""
        return (self.low + block[:, 0].double() * self.scale).round()

    def readable(self, values: Tensor) -> list[int]:
        """Return b values as whole numbers."""
        return [int(value) for value in values.tolist()]


@dataclass(frozen=True)
class Discrete:
    """Feature that is a category; its value is the number of the category, from 0."""

    categories: tuple[str, ...]

    def numbers(self, values: "pd.Series[str]") -> Tensor:
        """Return the numbers (b, int64) of b categories.

        Raises:
            KeyError: a value is none of the categories.
        """
        number = {category: i for i, category in enumerate(self.categories)}
        return torch.tensor([number[value] for value in values])

    def readable(self, values: Tensor) -> list[str]:
        """Return the names of the categories with b numbers."""
        return [self.categories[int(value)] for value in values.tolist()]


class OneHot(Discrete):
    """Category with one entry for each that there is: 1 for the right one, else 0."""

    @property
    def width(self) -> int:
        """Number of entries: that of the categories."""
        return len(self.categories)

    def encode(self, values: "pd.Series[str]") -> Tensor:
        """Return the entries (b x width) of b categories."""
        return functional.one_hot(self.numbers(values), self.width).float()

    def values(self, block: Tensor) -> Tensor:
        """Return the numbers (b, float64) of the categories with the largest of the entries."""
        return block.argmax(dim=1).double()


class Ordinal(Discrete):
    """Category with a single entry: its number, scaled to [0, 1]."""

    width = 1

    @property
    def scale(self) -> int:
        """Number of the last category, at least 1; entries are multiples of 1 / scale."""
        return max(len(self.categories) - 1, 1)

    def encode(self, values: "pd.Series[str]") -> Tensor:
        """Return the entries (b x 1) of b categories."""
        return self.numbers(values).float().unsqueeze(1) / self.scale

    def values(self, block: Tensor) -> Tensor:
        """Return the numbers (b, float64) of the categories nearest to entries (b x 1)."""
        return (block[:, 0].double() * self.scale).round().clamp(0, len(self.categories) - 1)


Feature = Continuous | OneHot | Ordinal


def readable(features: Mapping[str, Feature], values: Tensor) -> pd.DataFrame:
    """Return values (b x features) as a table of numbers in their own units and categories."""
    columns = zip(features.items(), values.T, strict=True)
    return pd.DataFrame({name: feature.readable(column) for (name, feature), column in columns})


def side_by_side(table: "TableDomain", originals: Tensor, reconstructions: Tensor) -> str:
    """Return values (b x features each) as CSV, each original row above its reconstruction."""
    both = pd.concat(
        [readable(table.features, each) for each in (originals, reconstructions)],
        keys=("original", "reconstruction"),
        names=["is", "row"],
    )
    return both.swaplevel().sort_index().to_csv()


def decoded(features: Mapping[str, Feature], entries: Tensor) -> Tensor:
    """Return the values (b x features, float64, on the CPU) nearest to entries (b x n)."""
    blocks = split(features, entries.detach().cpu())
    columns = [feature.values(blocks[name]) for name, feature in features.items()]
    return torch.stack(columns, dim=1)


def split(features: Mapping[str, Feature], entries: Tensor) -> dict[str, Tensor]:
    """Return the entries (... x n) divided by feature: name -> entries (... x width)."""
    blocks = torch.split(entries, [feature.width for feature in features.values()], dim=-1)
    return dict(zip(features, blocks, strict=True))


@dataclass(frozen=True)
class TableDomain(Domain):
    """Domain of inputs that are rows of a table, known to the server, which designed the network.

    Attributes:
        features: name -> feature, in the order of the entries.
        mean, std: of each entry (n): the network receives (entry - mean) / std. 0 and 1 if inputs
            are not normalised.
        deviations: name of each number -> its standard deviation in its own unit.
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
        """Return the entries in [0, 1] of inputs of the network (both ... x n)."""
        return inputs * self.std.to(inputs) + self.mean.to(inputs)

    def normalized(self, entries: Tensor) -> Tensor:
        """Return the inputs of the network for entries in [0, 1] (both ... x n)."""
        return (entries - self.mean.to(entries)) / self.std.to(entries)

    def values(self, inputs: Tensor) -> Tensor:
        """Return the values (b x features, float64) of inputs (b x n) of the network.

        A value is a whole number in its own unit, or the number of a category.
        """
        return decoded(self.features, self.entries(inputs))

    def rows(self, inputs: Tensor) -> pd.DataFrame:
        """Return the readable rows nearest to inputs (b x n) of the network."""
        return readable(self.features, self.values(inputs))

    @property
    def is_discrete(self) -> Tensor:
        """Mask (one bool a feature) of the features that are categories."""
        return torch.tensor([isinstance(each, Discrete) for each in self.features.values()])

    def wrong(self, found: Tensor, true: Tensor) -> Tensor:
        """Return a mask of wrong values: other categories, and numbers off by over `TOLERANCE`.

        Args:
            found, true: values (... x features), broadcast against each other.
        """
        tolerances = [TOLERANCE * self.deviations.get(name, 0.0) for name in self.features]
        return (found - true).abs() > torch.tensor(tolerances, dtype=torch.float64)

    def distances(self, found: Tensor, true: Tensor) -> Tensor:
        """Return the share of values in which two rows differ, for all pairs of rows (b x b').

        TabLeak matches rows by it. If two found rows are wrong in equally many values, the errors
        of their numbers decide.

        Args:
            found: values, b' x features.
            true: values, b x features.
        """
        found, true = found[None], true[:, None]
        units = [self.deviations.get(name) or torch.inf for name in self.features]
        off = ((found - true).abs() / torch.tensor(units, dtype=torch.float64)).clamp_max(1.0)
        return self.wrong(found, true).double().mean(dim=2) + 1e-6 * off.mean(dim=2)
