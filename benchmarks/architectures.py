"""Public architectures: which of their layers could leak, predicted and measured.

`python -m benchmarks.architectures` prints a Markdown table of torchvision's architectures and of
small ones (`benchmarks.small_architectures`) at random weights, in the mode in which clients train
and in evaluation mode. `--measure NAME ...` audits gradients of random inputs in evaluation mode,
with the statistics of batch norm set: of twice as many inputs each time, until one gives nothing
away or `--most` is reached.
"""

import argparse
import warnings
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn
from torchvision.models import get_model

from benchmarks.small_architectures import SMALL
from spear.auditing import Architecture, Verdict, architecture, audit
from spear.auditing.architecture import EQUATIONS

MODELS = (
    "alexnet", "vgg11", "vgg11_bn", "vgg16", "squeezenet1_1", "resnet18", "resnet50",
    "wide_resnet50_2", "resnext50_32x4d", "densenet121", "shufflenet_v2_x1_0", "mobilenet_v2",
    "mobilenet_v3_small", "mobilenet_v3_large", "mnasnet1_0", "efficientnet_b0", "regnet_y_400mf",
    "convnext_tiny", "swin_t", "vit_b_32", "vit_b_16",
)  # fmt: skip

SHAPE, CLASSES = (3, 224, 224), 1000
"""Of torchvision's architectures."""

LEAKED = (Verdict.EXACT, Verdict.CONSISTENT, Verdict.APPROXIMATE)
"""Verdicts after which a larger batch is tried."""

HEAD = (
    "| architecture | million parameters | fully connected layers | by which equation, in "
    "evaluation mode | largest batch, training mode | evaluation mode | measured |\n"
    "| --- | --- | --- | --- | --- | --- | --- |\n"
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, a line at a time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", default=(*SMALL, *MODELS), help="architectures [all]")
    parser.add_argument("--measure", nargs="*", default=[], metavar="NAME", help="those to audit")
    parser.add_argument("--most", type=int, default=64, help="largest batch to audit [64]")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of an audit [60]")
    chosen = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    print(HEAD, end="")
    for name in chosen.names:
        measured = name in chosen.measure
        print(line(name, chosen.most if measured else 0, chosen.budget), flush=True)


def line(name: str, most: int, budget: float) -> str:
    """Return the row of an architecture.

    Args:
        name: in `SMALL` or in torchvision.
        most: largest batch to audit; 0 for no audit.
        budget: seconds of each audit.
    """
    torch.manual_seed(0)
    small = SMALL.get(name)
    model = small.build() if small else get_model(name, weights=None)
    shape, classes = (small.shape, small.classes) if small else (SHAPE, CLASSES)
    training, evaluation = (architecture(model.train(mode), shape) for mode in (True, False))
    size = sum(each.numel() for each in model.parameters()) / 1e6
    draw = partial(drawn, shape, classes)
    said = measured(model, evaluation, draw, most, budget) if most else "-"
    cells = (
        name, f"{size:.1f}" if size >= 1 else f"{size:.2g}", str(len(evaluation.layers)),
        _equations(evaluation), _most(training), _most(evaluation), said,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


Batch = tuple[torch.Tensor, torch.Tensor]


def drawn(shape: tuple[int, ...], classes: int, size: int) -> Batch:
    """Return standard normal inputs and labels, the same ones for the same size."""
    generator = torch.Generator().manual_seed(size)
    inputs = torch.randn(size, *shape, generator=generator)
    return inputs, torch.randint(classes, (size,), generator=generator)


def measured(
    model: nn.Module,
    forecast: Architecture,
    draw: Callable[[int], Batch],
    most: int,
    budget: float,
) -> str:
    """Return the verdicts of audits of random inputs, at the layer with the largest forecast."""
    best = max(forecast.leaking, key=lambda each: each.most, default=None)
    if best is None:
        return "-"
    calibrate(model, draw(16)[0])
    largest: dict[Verdict, int] = {}
    size = 1
    while size <= min(most, best.most):
        batch, shape = partial(draw, size), tuple(draw(1)[0].shape[1:])
        found = audit(model, batch, best.name, input_shape=shape, budget=budget)
        largest[found.verdict] = size
        if found.verdict not in LEAKED:
            break
        size *= 2
    said = ", ".join(f"{verdict} up to {b}" for verdict, b in largest.items())
    return f"{said} ({best.name})"


def calibrate(model: nn.Module, inputs: torch.Tensor) -> None:
    """Set the statistics of batch norm by random inputs; else features vanish on the way.

    The model is in evaluation mode then.
    """
    norms = [each for each in model.modules() if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d)]
    for each in norms:
        each.reset_running_stats()
        each.momentum = None  # a plain mean
    if norms:
        with torch.no_grad():
            model.train()(inputs)
    model.eval()


def _equations(found: Architecture) -> str:
    counts: dict[str, int] = {}
    for each in found.layers:
        if each.equation is not None:
            counts[EQUATIONS[each.equation]] = counts.get(EQUATIONS[each.equation], 0) + 1
    return ", ".join(f"{number} by {name}" for name, number in counts.items()) or "none"


def _most(found: Architecture) -> str:
    return str(found.most) if found.most else "none"


if __name__ == "__main__":
    main()
