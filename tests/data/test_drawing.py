"""Batches of one class: of what they are made, how often each class comes, what is refused."""

import pytest
import torch
from torch import Tensor

from spear.data import Dataset, Digits, Faces, SingleClassBatches, UniformBatches
from spear.errors import DatasetError

draw = SingleClassBatches()


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Unequal(Dataset):
    """Ten examples, each its own number: three of class 0, two of class 2, five of class 3."""

    name = "unequal"
    input_shape = (1,)
    n_classes = 5
    mean, std, normalize = (0.0,), (1.0,), False
    classes = (3, 0, 2, 3, 3, 0, 3, 2, 3, 0)

    def __len__(self) -> int:
        return len(self.classes)

    def example(self, index: int) -> tuple[Tensor, int]:
        return torch.tensor([float(index)]), self.classes[index]


def test_uniform_batches_are_those_of_the_data_set():
    digits = Digits()
    drawn, own = UniformBatches()(digits, 7, seeded(1)), digits.batch(7, seeded(1))
    assert torch.equal(drawn.inputs, own.inputs)
    assert torch.equal(drawn.labels, own.labels)


def test_a_batch_has_one_class_and_no_example_twice():
    for seed in range(20):
        batch = draw(Unequal(), 3, seeded(seed))
        numbers = batch.inputs.flatten().long().tolist()
        assert len(set(numbers)) == 3
        assert {Unequal.classes[i] for i in numbers} == set(batch.labels.tolist())
        assert len(set(batch.labels.tolist())) == 1


def test_classes_that_are_large_enough_come_equally_often():
    labels = [int(draw(Unequal(), 3, seeded(seed)).labels[0]) for seed in range(400)]
    assert set(labels) == {0, 3}
    assert abs(labels.count(0) - 200) < 50  # five standard deviations
    firsts = [int(draw(Unequal(), 2, seeded(seed)).inputs[0]) for seed in range(300)]
    assert set(firsts) == set(range(10))


def test_the_generator_alone_decides():
    first, again = (draw(Digits(), 5, seeded(3)) for _ in range(2))
    assert torch.equal(first.inputs, again.inputs)


def test_a_batch_larger_than_every_class_is_refused():
    assert len(draw(Faces(), 10, seeded(0)).labels) == 10
    with pytest.raises(DatasetError, match=r"'unequal' has 5 .* of 6; .* at most 5\.$"):
        draw(Unequal(), 6, seeded(0))
