"""What rounding leaves of a layer pair: `python -m benchmarks.rounding_limits sigmoid pixels 8 20`.

At the true batch, the Jacobian of all equations of both gradients (`joint_fit` of the pairs) in all
unknowns gives the deviation of each input of the best estimate that uses them, whatever the
search (Cramer and Rao): the errors of the gradients are those that float32 makes. A deviation near
1 means that the pair does not hold the input. SPEAR_DATA names the folder of CIFAR-10.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from spear.client.client import Client
from spear.data import CIFAR10
from spear.inversion.pair.attack import SpearPair
from spear.inversion.pair.joint_fit import JointFit, Linearised
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.networks import fcnn
from spear.reconstruction import Status
from spear.seeding import Stream, batch_generator


def deviations(problem: PairProblem, inputs: Tensor) -> Tensor:
    """Relative deviation of each input of the best estimate from both gradients (b).

    Args:
        problem: the layer pair.
        inputs: the true ones (b x n).
    """
    rows = torch.linalg.lstsq(problem.first.right.T, inputs.double().T).solution.T
    fit = JointFit(problem)
    at = fit.start(rows)
    linear = Linearised(fit, at)
    b, r = problem.b, problem.r
    zeros = torch.zeros_like(rows), torch.zeros_like(at.next_coordinates)
    columns = []
    for place in range(b * b + r * b):
        unit = [each.clone() for each in zeros]
        part, index = (0, place) if place < b * b else (1, place - b * b)
        unit[part].view(-1)[index] = 1.0
        columns.append(torch.cat([each.flatten() for each in linear.times(*unit)]))
    jacobian = torch.stack(columns, dim=1)
    _, values, mixing = torch.linalg.svd(jacobian, full_matrices=False)
    spread = mixing.T[: b * b] / values.clamp(min=torch.finfo(values.dtype).tiny)
    scales = linear.row_scales.expand(b, b).reshape(-1, 1)
    moved = (spread * scales).view(b, b, -1) * problem.first.singular_values[:, None]
    lengths = torch.linalg.vector_norm(rows * problem.first.singular_values, dim=1)
    return torch.linalg.vector_norm(moved, dim=(1, 2)) / lengths


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the deviations of batches of CIFAR-10."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("activation")
    parser.add_argument("inputs", choices=["pixels", "normalised"])
    parser.add_argument("batch_sizes", type=int, nargs="+")
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--batches", type=int, default=3)
    chosen = parser.parse_args(arguments)
    root = Path(os.environ.get("SPEAR_DATA", "data"))
    dataset = CIFAR10(root, normalize=chosen.inputs == "normalised")
    model = fcnn(dataset.input_shape, 10, 200, chosen.depth, activation=chosen.activation)
    for b in chosen.batch_sizes:
        for k in range(chosen.batches):
            batch = dataset.batch(b, batch_generator(0, k, Stream.DATA))
            update = Client(model, domain=dataset.domain).share(batch)
            problem = pair_problem(SpearPair().observe(update))
            if isinstance(problem, Status) or problem.b != b:
                print(f"b = {b}, batch {k}: the gradient hides inputs below its rounding")
                continue
            found = deviations(problem, batch.inputs.flatten(1)).sort().values
            hidden, most = int((found > 1e-2).sum()), float(found[-1])
            print(
                f"b = {b}, batch {k}: rank of G2 {problem.r}, deviations median "
                f"{float(found.median()):.0e}, largest {most:.0e}; above 1 %: {hidden} of {b}"
            )


if __name__ == "__main__":
    main()
