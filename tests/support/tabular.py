"""A small table of two numbers and two categories, for what takes ADULT too long."""

import torch
from torch import Tensor

from spear.data.base import Dataset
from spear.data.tabular import Continuous, OneHot, TableDomain, split

FEATURES = {
    "age": Continuous(20, 60),
    "job": OneHot(("cook", "nurse", "smith")),
    "city": OneHot(("Bern", "Sofia")),
    "income": Continuous(0, 1000),
}


class People(Dataset):
    """Rows drawn at random; the label is whether someone is over 40."""

    name = "people"
    n_classes = 2
    is_image = False
    input_shape = (7,)

    def __init__(self, n: int = 200, normalize: bool = True, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.normalize = normalize

        def draw(options: int) -> Tensor:
            return torch.randint(options, (n,), generator=generator)

        age, income = draw(41)[:, None] / 40, draw(1001)[:, None] / 1000
        job = torch.nn.functional.one_hot(draw(3), 3)
        city = torch.nn.functional.one_hot(draw(2), 2)
        self.entries = torch.cat([age, job, city, income], dim=1).float()
        self.mean = tuple(self.entries.mean(dim=0).tolist())
        self.std = tuple(self.entries.std(dim=0).tolist())

    def __len__(self) -> int:
        return len(self.entries)

    def example(self, index: int) -> tuple[Tensor, int]:
        """A person, and whether they are over 40."""
        return self.entries[index], int(self.entries[index, 0] > 0.5)

    @property
    def domain(self) -> TableDomain:
        """With the features."""
        box = super().domain
        std = torch.tensor(self.std, dtype=torch.float64)
        stds = split(FEATURES, std)
        deviations = {"age": 40 * stds["age"].item(), "income": 1000 * stds["income"].item()}
        mean = torch.tensor(self.mean, dtype=torch.float64)
        if not self.normalize:
            mean, std = torch.zeros(7), torch.ones(7)
        return TableDomain(box.shape, box.lower, box.upper, FEATURES, mean, std, deviations)
