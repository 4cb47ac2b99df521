"""Real gradients to attack: a fully connected network, a batch, autograd."""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spear.client.client import Client
from spear.data.base import Batch, Dataset
from spear.inversion.factors.factorization import Factorization, factorize
from spear.networks import fcnn
from spear.observation import Observation
from spear.scoring import Truth, truth_of

N_CLASSES = 10


@dataclass(frozen=True)
class Problem:
    """What a server holds, and what it does not."""

    network: nn.Module
    batch: Batch
    observation: Observation
    truth: Truth

    @property
    def b(self) -> int:
        return self.truth.inputs.shape[0]


class WeightedLoss(nn.Module):
    """Cross-entropy in which each sample has a weight: a small one stands for a small loss."""

    def __init__(self, *weights: float) -> None:
        super().__init__()
        self.weights = torch.tensor(weights)

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        losses = nn.functional.cross_entropy(outputs, labels, reduction="none")
        return (losses * self.weights.to(losses)).mean()


def make_problem(
    b: int,
    m: int = 50,
    n: int = 60,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    depth: int = 3,
    layer: int = 1,
    loss: nn.Module | None = None,
) -> Problem:
    """The gradient of standard normal inputs; the client computes in `dtype`."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(b, n, generator=generator, dtype=torch.float64)
    labels = torch.randint(N_CLASSES, (b,), generator=generator)
    network = fcnn((n,), N_CLASSES, width=m, depth=depth, seed=seed)
    return problem_of(network, Batch(inputs, labels), dtype, layer, loss)


def picture_problem(
    dataset: Dataset,
    b: int,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    m: int = 200,
    depth: int = 6,
    layer: int = 1,
) -> Problem:
    """The gradient of a batch of pictures in the paper's network (Sec. 6)."""
    batch = dataset.batch(b, torch.Generator().manual_seed(seed))
    network = fcnn(dataset.input_shape, dataset.n_classes, width=m, depth=depth, seed=seed)
    return problem_of(network, batch, dtype, layer)


def problem_of(
    network: nn.Module,
    batch: Batch,
    dtype: torch.dtype,
    layer: int = 1,
    loss: nn.Module | None = None,
) -> Problem:
    """The undefended gradient of `batch`, with network and inputs in `dtype`."""
    network = network.to(dtype)
    batch = Batch(batch.inputs.to(dtype), batch.labels)
    client = Client(network, loss=loss)
    observation = client.share(batch).observe(layer)
    return Problem(network, batch, observation, truth_of(client, batch, layer))


def factorized(observation: Observation, rank: int | None = None) -> Factorization:
    """The factorisation of an observation that must have one."""
    problem = factorize(observation, rank)
    assert isinstance(problem, Factorization), problem
    return problem


def true_disaggregation(problem: Factorization, truth: Truth) -> Tensor:
    """Q = L^+ dL/dZ (Theorem 3.2), b x b in float64."""
    gradients = truth.activation_gradients.double()[problem.active]
    return torch.linalg.lstsq(problem.left, gradients).solution


def unit_columns(matrix: Tensor) -> Tensor:
    """The columns of `matrix` at length 1."""
    return matrix / torch.linalg.vector_norm(matrix, dim=0)


def sine_distance(found: Tensor, true: Tensor) -> Tensor:
    """Sine of the angle between each unit column of `found` and each of `true` (k x b).

    Unlike 1 - |cosine| it resolves angles far below the square root of the precision.
    """
    cosines = found.T @ true
    rejection = found[:, :, None] - cosines[None] * true[:, None, :]
    return torch.linalg.vector_norm(rejection, dim=0)


def to_dtype(observation: Observation, dtype: torch.dtype) -> Observation:
    """The same numbers in another precision."""
    fields = dataclasses.asdict(observation)
    return Observation(**{name: value.to(dtype) for name, value in fields.items()})
