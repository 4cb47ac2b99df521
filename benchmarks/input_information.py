"""Inputs of the last layer that their zeros determine: python -m benchmarks.input_information

The share of private batches in which every input is determined, and the mean count of inputs that
are (`spear.scoring.bounds.determined_directions`): the limit of `attack=spear_input`, whatever its
search. Beside it, how many neurons of the last hidden layer are on for some samples and off for
others; only these tell the samples apart.
"""

import argparse
from collections.abc import Sequence
from statistics import mean

import torch
from hydra import compose, initialize_config_dir

from spear.client.client import Client
from spear.experiments.config.build import build
from spear.experiments.config.schema import CONF, register
from spear.scoring import truth_of
from spear.scoring.bounds import determined_directions
from spear.seeding import Stream, batch_generator


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each batch size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", default="tiny_imagenet")
    parser.add_argument("--network", default="fcnn", help="fcnn or trained")
    parser.add_argument(
        "--depth", type=int, default=6, help="linear layers; the last one is examined"
    )
    parser.add_argument("--b", type=int, nargs="+", default=[4, 8, 12, 16, 20])
    parser.add_argument("--batches", type=int, default=10)
    options = parser.parse_args(arguments)
    register()
    overrides = [
        f"dataset={options.dataset}",
        f"network={options.network}",
        f"network.depth={options.depth}",
    ]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides)
    dataset = build(config, "dataset")
    network = build(config, "network", input_shape=dataset.input_shape, n_classes=dataset.n_classes)
    client = Client(network)
    for b in options.b:
        counts, mixed = [], []
        for k in range(options.batches):
            batch = dataset.batch(b, batch_generator(config.seed, k, Stream.DATA))
            inputs = truth_of(client, batch, options.depth).inputs
            counts.append(determined_directions(inputs.T, to_spare=True))
            on = (inputs > 0).sum(dim=0)
            mixed.append(int(((on > 0) & (on < b)).sum()))
        whole = sum(count == b for count in counts)
        print(
            f"b = {b}: every input determined in {whole} of {len(counts)} batches, "
            f"{mean(counts):.1f} of {b} on average; neurons on for some: {mean(mixed):.0f}"
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
