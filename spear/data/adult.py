"""UCI Adult, the tabular data set."""

import csv
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from spear.data.base import SPLITS, Dataset, check_choice, missing, unreadable
from spear.data.tabular import (
    Continuous,
    Feature,
    OneHot,
    Ordinal,
    TableDomain,
    decoded,
    readable,
    split,
)

SOURCE = "https://archive.ics.uci.edu/dataset/2/adult (unpack it into the folder adult)"
FILES = {"train": "adult.data", "test": "adult.test"}
FEATURES = (
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation"),
    *("relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week"),
    "native-country",
)
CONTINUOUS = ("age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week")
INCOMES = ("<=50K", ">50K")


class Adult(Dataset):
    """Census records of 1994 (Becker and Kohavi, 1996): does the person earn over 50,000 dollars?

    Vectors with values in [0, 1], features in the order of the file. Of the 14 features 6 are
    continuous: each is scaled by its range in the train file, and a test value outside that range
    is set to the end of it (`fnlwgt` in one row). The other 8 are discrete, their categories those
    of the train file in alphabetical order. Mean and std are those of the train rows, whichever
    split is chosen; an input that never changes has std 1.

    Without the rows in which a value is missing ("?"), `train` has 30,162 rows and `test` 15,060.

    Args:
        root: folder that contains `adult/adult.data` and `adult/adult.test`.
        split: "train" or "test".
        normalize: whether the network sees normalised features.
        encoding: "one_hot" (105 inputs: one for each category of a discrete feature) or "ordinal"
            (14 inputs: a discrete feature is its category's number, scaled; SPEAR can then attack
            batches of at most 14, as the inputs of a larger one are linearly dependent).
        drop_missing: leave out rows with a missing value; otherwise "?" is one more category.

    Raises:
        ConfigError: there is no such split or encoding.
        DatasetError: a file is missing or damaged.
    """

    name = "adult"
    n_classes = 2
    is_image = False

    def __init__(
        self,
        root: str | Path,
        split: str = "test",
        normalize: bool = True,
        encoding: str = "one_hot",
        drop_missing: bool = True,
    ) -> None:
        check_choice("split", split, SPLITS)
        check_choice("encoding", encoding, ("one_hot", "ordinal"))
        self.normalize = normalize
        paths = {part: Path(root) / "adult" / FILES[part] for part in ("train", split)}
        absent = [f"adult/{path.name}" for path in paths.values() if not path.is_file()]
        if absent:
            raise missing(" and ".join(absent), root, SOURCE)
        tables = {part: _read(path) for part, path in paths.items()}

        ignored = {"?"} if drop_missing else set()
        self._columns: dict[str, Feature] = {}
        for feature in FEATURES:
            values = tables["train"][feature]
            if feature in CONTINUOUS:
                self._columns[feature] = Continuous(values.min(), values.max())
            else:
                categories = tuple(sorted({*values} - ignored))
                column = OneHot if encoding == "one_hot" else Ordinal
                self._columns[feature] = column(categories)

        kept = {part: table[~table.isin(ignored).any(axis=1)] for part, table in tables.items()}
        inputs = {part: self._encoded(table, paths[part]) for part, table in kept.items()}
        train = inputs["train"].double()
        self.mean = tuple(train.mean(dim=0).tolist())
        self.std = tuple(std or 1.0 for std in train.std(dim=0, correction=0).tolist())
        self.input_shape = (len(self.mean),)
        self._inputs = inputs[split]
        self._labels = [INCOMES.index(income) for income in kept[split]["income"]]

    def __len__(self) -> int:
        return len(self._inputs)

    def example(self, index: int) -> tuple[Tensor, int]:
        """Return a person's inputs (n), and 1 if they earn over 50,000 dollars, else 0."""
        return self._inputs[index], self._labels[index]

    def labels(self) -> Tensor:
        """Implement `Dataset`."""
        return torch.tensor(self._labels)

    @property
    def domain(self) -> TableDomain:
        """Implement `Dataset`, with the features and their deviations in the train file."""
        box = super().domain
        std = torch.tensor(self.std, dtype=torch.float64)
        stds = split(self._columns, std)
        deviations = {
            name: stds[name].item() * feature.scale
            for name, feature in self._columns.items()
            if isinstance(feature, Continuous)
        }
        mean = torch.tensor(self.mean, dtype=torch.float64)
        if not self.normalize:
            mean, std = torch.zeros_like(mean), torch.ones_like(std)
        return TableDomain(box.shape, box.lower, box.upper, self._columns, mean, std, deviations)

    def inverse(self, inputs: Tensor) -> pd.DataFrame:
        """Return the readable rows nearest to inputs in [0, 1] (b x n, as from `denormalized`)."""
        return readable(self._columns, decoded(self._columns, inputs))

    def _encoded(self, table: pd.DataFrame, path: Path) -> Tensor:
        try:
            blocks = [column.encode(table[name]) for name, column in self._columns.items()]
        except KeyError as error:
            reason = f"{error} is not a category of the train file"
            raise unreadable(path, reason, SOURCE) from error
        return torch.cat(blocks, dim=1)


def _read(path: Path) -> pd.DataFrame:
    """All rows of one file: the 14 features and the income, one of `INCOMES`."""
    n_columns = len(FEATURES) + 1
    rows = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file, skipinitialspace=True)
            for row in reader:
                if not row or row[0].startswith("|"):
                    continue
                if len(row) != n_columns:
                    raise ValueError(f"line {reader.line_num} has {len(row)} of {n_columns} values")
                rows.append(row)
        table = pd.DataFrame(rows, columns=[*FEATURES, "income"])
        table = table.astype(dict.fromkeys(CONTINUOUS, int))
        table["income"] = table["income"].str.removesuffix(".")
        strange = {*table["income"]} - {*INCOMES}
        if strange or table.empty:
            raise ValueError(f"an income is {min(strange)!r}" if strange else "it has no rows")
    except (OSError, ValueError, csv.Error) as error:
        raise unreadable(path, error, SOURCE) from error
    return table
