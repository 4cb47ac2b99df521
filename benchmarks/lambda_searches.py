"""Searches for lambda in label recovery, side by side: python -m benchmarks.lambda_searches

Each search looks for the lambda of the same single samples, half of them with smoothed and half
with mixed labels. Printed are the share of labels recovered exactly (L1 error below 1e-3), the
evaluations of the variance loss, and CPU seconds per sample. The particle swarm is scikit-opt's,
with the settings of Wang et al. (arXiv 2402.03124); install it with `pip install scikit-opt`, or it
is left out. It searches where the other methods do, and in the authors' bands.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable, Sequence
from statistics import mean

import numpy as np
import torch
from hydra import compose, initialize_config_dir

from spear.baselines.label_recovery.lambda_search import (
    END,
    DifferentialEvolution,
    DualAnnealing,
    GridSearch,
    LambdaSearch,
    lambdas,
    refined,
)
from spear.baselines.label_recovery.variance import Array, VarianceLoss
from spear.client.client import Client
from spear.experiments.config.build import build
from spear.experiments.config.schema import CONF, register
from spear.inversion.labels.last_layer import LastLayer
from spear.scoring.labels import LABEL_EXACT
from spear.seeding import Stream, batch_generator

PARTICLES, ITERATIONS = 500, 40
"""Size and iterations of the swarm, as the authors have them."""

ENOUGH = 1e-9
"""Loss at which the authors stop: 1000 times the variance, without our factor."""


def swarm(evaluate: Callable[[Array], Array], low: float, high: float, seed: int) -> float:
    """Return the place between two bounds where scikit-opt's particle swarm finds least loss."""
    from sko.PSO import PSO
    from sko.tools import set_run_mode

    def loss(places: Array) -> Array:
        return evaluate(places[:, 0])

    set_run_mode(loss, "vectorization")
    np.random.seed(seed)  # noqa: NPY002  # scikit-opt draws from the global state
    optimiser = PSO(loss, 1, PARTICLES, ITERATIONS, [low], [high], w=0.8, c1=0.5, c2=0.5)
    optimiser.run()
    return float(optimiser.gbest_x[0])


class Swarm:
    """Particle swarm within the other methods' bounds, refined by Brent's method as they are."""

    def __call__(self, loss: VarianceLoss, seed: int) -> float:
        """Return lambda (`spear.baselines.label_recovery.lambda_search.LambdaSearch`)."""
        place = swarm(lambda places: loss(lambdas(loss, places)), -END, END, seed)
        left, right = lambdas(loss, np.array([place - 1e-3, place + 1e-3]))
        return refined(loss, float(left), float(right))


class SwarmInBands:
    """Particle swarm in the authors' bands of lambda, one after the other until one is good."""

    def __init__(self, scale: float = 4.0, step: float = 20.0) -> None:
        self._scale = scale
        self._step = step

    def __call__(self, loss: VarianceLoss, seed: int) -> float:
        """Return lambda (`spear.baselines.label_recovery.lambda_search.LambdaSearch`)."""
        largest = loss.largest / self._scale

        def evaluate(theirs: Array) -> Array:
            ours = theirs * largest
            return 1000 * loss(ours) * (loss.length / ours) ** 2

        best: tuple[float, float] = (np.inf, 1.0)
        low, high = 1.0, 6.0
        while high < 70:
            for band in ((low - 0.3, high), (-high - 0.3, -low)):
                place = swarm(evaluate, *band, seed)
                best = min(best, (float(evaluate(np.array([place]))[0]), place))
                if best[0] < ENOUGH:
                    return best[1] * largest
            low, high = high, high + (self._step / 5 if low == 1.0 else self._step)
        return best[1] * largest


def problems(network: str, dataset: str, samples: int) -> list[tuple[LastLayer, torch.Tensor]]:
    """Return the last layer's gradient and the label of each sample."""
    overrides = [f"network={network}", f"dataset={dataset}", "network.bias=false"]
    found = []
    for augmentation in ("label_smoothing", "mixup"):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("config", [*overrides, f"augmentation={augmentation}"])
        data, augment = build(config, "dataset"), build(config, "augmentation")
        model = build(config, "network", input_shape=data.input_shape, n_classes=data.n_classes)
        client = Client(model)
        for k in range(samples // 2):
            generator = batch_generator(config.seed, k, Stream.DATA)
            batch = augment(data.batch(augment.examples(1), generator), data.n_classes, generator)
            found.append((LastLayer.of(client.share(batch)), batch.labels[0].double()))
    return found


def measured(
    search: LambdaSearch, layer: LastLayer, label: torch.Tensor, k: int
) -> tuple[float, ...]:
    """Return whether the label is exact (1 or 0), evaluations and CPU seconds."""
    began = time.process_time()
    single = layer.single(None)
    assert single is not None
    loss = VarianceLoss(layer, single, 2)
    found = search(loss, k)
    seconds = time.process_time() - began
    error = float((loss.label(found) - label).abs().sum())
    return float(error < LABEL_EXACT), float(loss.evaluations), seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each search and network."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--networks", nargs="+", default=["fcnn", "lenet"])
    parser.add_argument("--samples", type=int, default=40)
    options = parser.parse_args(arguments)
    register()
    searches: dict[str, LambdaSearch] = {
        "grid and Brent": GridSearch(),
        "differential evolution": DifferentialEvolution(),
        "dual annealing": DualAnnealing(),
    }
    if importlib.util.find_spec("sko"):
        searches |= {"particle swarm": Swarm(), "particle swarm in bands": SwarmInBands()}
    for network in options.networks:
        samples = problems(network, options.dataset, options.samples)
        for name, search in searches.items():
            rows = [measured(search, *each, k) for k, each in enumerate(samples)]
            exact, evaluations, seconds = (mean(column) for column in zip(*rows, strict=True))
            print(
                f"{network}, {options.dataset}: {name}: {exact:.0%} of {len(rows)} exact, "
                f"{evaluations:,.0f} evaluations, {seconds:.3f} s"
            )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
