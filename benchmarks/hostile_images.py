"""False `exact` of `spear_vit`, counted: `python -m benchmarks.hostile_images`.

Small vision transformers, images of noise, alike or flat ones; an honest client, and an update that
was altered. The attack receives it and does not know. A verdict of `exact` is false if an image is
wrong by more than 1 %, or if one that has a gradient is missing.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from benchmarks.hostile_alterations import (
    brain,
    entries_to,
    half,
    int8,
    lower_rank,
    noise,
    one_entry,
    permuted,
    times,
    to_norm,
    top,
    two_swapped,
)
from spear.budget import Budget
from spear.errors import SpearError
from spear.networks.mean_token import MeanToken
from spear.reconstruction import Status
from spear.vision.recovery import recover

RIGHT = 1e-2
"""Largest root mean square error of an exact image, relative to that of its pixels."""

SIDE, PATCH, WIDTH, HEADS, CLASSES = 8, 4, 64, 4, 6

LIMIT = 3.0
"""Seconds for the search for tokens of a case."""

COLUMNS = ("exact", "FALSE", "approximate", "estimated", "partial", "other", "refused")

Gradients = dict[str, Tensor]
Change = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Case:
    """A client's model, its batch, and another one."""

    network: nn.Module
    images: Tensor
    labels: Tensor
    other: Tensor
    generator: torch.Generator

    def gradients(self, images: Tensor, network: nn.Module | None = None) -> Gradients:
        """Return the honest gradient of images."""
        network = network or self.network
        loss = nn.functional.cross_entropy(network(images), self.labels)
        names, parameters = zip(*network.named_parameters(), strict=True)
        return dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))


@dataclass(frozen=True)
class Altered:
    """What the server holds: a model and gradients; and the images behind them."""

    network: nn.Module
    gradients: Gradients
    images: Tensor


Alteration = Callable[[Case], Altered]


def case_of(seed: int) -> tuple[str, Case]:
    """Return a case and its description; the same for the same seed."""
    chosen = random.Random(seed)
    pooled, b, learnt = chosen.random() < 0.5, chosen.choice((1, 2, 3)), chosen.random() < 0.4
    generator = torch.Generator().manual_seed(seed)
    kind = MeanToken if pooled else VisionTransformer
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = kind(SIDE, PATCH, 2, HEADS, WIDTH, 4 * WIDTH, num_classes=CLASSES).eval()
        nn.init.normal_(network.heads[-1].weight, std=0.02)
    images, other = torch.randn(2, b, 3, SIDE, SIDE, generator=generator)
    labels = torch.randint(CLASSES, (b,), generator=generator)
    case = Case(network, images, labels, other, generator)
    if learnt:
        _learn(case)
    words = f"{'pooled' if pooled else 'class token'}, b = {b}{', learnt' if learnt else ''}"
    return words, case


def _learn(case: Case) -> None:
    optimiser = torch.optim.AdamW(case.network.parameters(), lr=1e-3)
    for _ in range(10):
        optimiser.zero_grad()
        nn.functional.cross_entropy(case.network(case.images), case.labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    case.network.zero_grad()


PARTS = {
    "fc1": ("mlp.0",),
    "fc2": ("mlp.3",),
    "attention": ("self_attention",),
    "patches": ("conv_proj",),
    "norms": ("ln",),
    "head": ("heads",),
    "biases": ("bias",),
}
"""Pieces of parameters' names, by what they are part of."""


def _of(part: str | None, name: str) -> bool:
    return part is None or any(piece in name for piece in PARTS[part])


def each(change: Change, part: str | None = None) -> Alteration:
    """Change every tensor by itself, or those of a part."""

    def altered(case: Case) -> Altered:
        honest = case.gradients(case.images)
        # Of a convolution's weight, rows are filters.
        changed = {
            name: change(value.flatten(1) if value.ndim > 2 else value, case.generator).view_as(
                value
            )
            for name, value in honest.items()
            if _of(part, name)
        }
        return Altered(case.network, honest | changed, case.images)

    return altered


def summed(share: float, part: str | None = None) -> Alteration:
    """Add a share of the gradient of another batch, perhaps to one part alone."""

    def altered(case: Case) -> Altered:
        honest, other = case.gradients(case.images), case.gradients(case.other)
        both = {k: v + share * other[k] for k, v in honest.items() if _of(part, k)}
        images = torch.cat([case.images, case.other]) if part is None else case.images
        return Altered(case.network, honest | both, images)

    return altered


def mixed(part: str) -> Alteration:
    """Take one part from the gradient of another batch."""

    def altered(case: Case) -> Altered:
        honest, other = case.gradients(case.images), case.gradients(case.other)
        moved = {k: v for k, v in other.items() if _of(part, k)}
        return Altered(case.network, honest | moved, case.images)

    return altered


def stale(share: float) -> Alteration:
    """Let the server hold other parameters than the client had."""

    def altered(case: Case) -> Altered:
        network = deepcopy(case.network)
        with torch.no_grad():
            for each_ in network.parameters():
                size = share * each_.square().mean().sqrt()
                each_.add_(size * torch.randn(each_.shape, generator=case.generator))
        return Altered(network, case.gradients(case.images), case.images)

    return altered


def of_images(change: Callable[[Tensor], Tensor]) -> Alteration:
    """Share the honest gradient of peculiar images."""

    def altered(case: Case) -> Altered:
        images = change(case.images.clone())
        return Altered(case.network, case.gradients(images), images)

    return altered


def steps(rate: float) -> Alteration:
    """Share the mean gradient of two local steps."""

    def altered(case: Case) -> Altered:
        first, network = case.gradients(case.images), deepcopy(case.network)
        with torch.no_grad():
            for name, each_ in network.named_parameters():
                each_.sub_(rate * first[name])
        second = case.gradients(case.images, network)
        mean = {k: (v + second[k]) / 2 for k, v in first.items()}
        return Altered(case.network, mean, case.images)

    return altered


def equal_patches(images: Tensor) -> Tensor:
    """Let the second patch of each image be its first."""
    images[:, :, :PATCH, PATCH:] = images[:, :, :PATCH, :PATCH]
    return images


def near_patches(images: Tensor) -> Tensor:
    """Let it nearly be."""
    moved = equal_patches(images.clone())
    return moved + 1e-3 * images


def equal_images(images: Tensor) -> Tensor:
    """Let the last image be the first."""
    images[-1] = images[0]
    return images


def near_images(images: Tensor) -> Tensor:
    """Let it nearly be."""
    images[-1] = images[0] + 1e-3 * images[-1]
    return images


def flat_images(images: Tensor) -> Tensor:
    """Let each image have one colour."""
    return images[:, :, :1, :1].expand_as(images).clone()


def one_patch_shared(images: Tensor) -> Tensor:
    """Let all images have the first one's first patch."""
    images[:, :, :PATCH, :PATCH] = images[0, :, :PATCH, :PATCH]
    return images


ALTERATIONS: dict[str, Alteration] = {
    "none": each(times(1.0)),
    "all scaled": each(times(3.7)),
    "negated": each(times(-1.0)),
    **{f"{p} times {by:g}": each(times(by), p) for p in PARTS for by in (1.0001, 1.01, 2.0, -1.0)},
    **{f"{part} of zeros": each(times(0.0), part) for part in PARTS},
    "each tensor to a norm": each(to_norm(0.1)),
    "entries clipped": each(entries_to(0.5)),
    "float16": each(half),
    "bfloat16": each(brain),
    "int8": each(int8),
    **{f"float16 in {part}": each(half, part) for part in PARTS},
    "signs": each(lambda value, _: value.sign()),
    **{f"noise of {by:g}": each(noise(by)) for by in (1e-7, 1e-6, 1e-5, 1e-4, 1e-2)},
    **{f"noise of 1e-4 in {part}": each(noise(1e-4), part) for part in PARTS},
    "top half": each(top(0.5)),
    "top 99 of 100": each(top(0.99)),
    **{f"one entry by {by:g}": each(one_entry(by)) for by in (1e-5, 1e-3, 1.0)},
    **{f"one entry of {part} by 0.1": each(one_entry(0.1), part) for part in PARTS},
    **{f"rows of {part} permuted": each(permuted(0), part) for part in PARTS},
    **{f"two rows of {part} swapped": each(two_swapped(0), part) for part in PARTS},
    "rank lowered": each(lower_rank),
    **{f"rank of {part} lowered": each(lower_rank, part) for part in ("fc1", "fc2", "attention")},
    "two batches": summed(1.0),
    "a trace of another batch": summed(1e-4),
    **{f"a trace of another batch in {part}": summed(1e-4, part) for part in PARTS},
    **{f"{part} of another batch": mixed(part) for part in PARTS},
    **{f"stale by {by:g}": stale(by) for by in (1e-6, 1e-4, 1e-2)},
    **{f"two steps at rate {by:g}": steps(by) for by in (1e-5, 1e-3, 1e-1)},
    "equal patches": of_images(equal_patches),
    "near patches": of_images(near_patches),
    "equal images": of_images(equal_images),
    "near images": of_images(near_images),
    "flat images": of_images(flat_images),
    "one patch shared": of_images(one_patch_shared),
}
"""Kinds of alterations by name."""


def verdict(altered: Altered, seed: int = 0) -> tuple[str, str]:
    """Attack an update; return the column of its verdict, and what is wrong with an exact one."""
    try:
        found = recover(altered.network, altered.gradients, Budget(LIMIT), seed)
    except SpearError as error:
        return "refused", str(error)
    if found.status is Status.EXACT:
        wrong = _wrong(found.images, altered.images.double())
        return ("FALSE", wrong) if wrong else ("exact", "")
    word = "partial" if found.status is Status.TIMED_OUT else str(found.status)
    return (word if word in COLUMNS else "other"), ""


def _wrong(found: Tensor, true: Tensor) -> str:
    """What is wrong with images called exact; equal images count once."""
    errors = (found[:, None] - true).square().mean(dim=(2, 3, 4)).sqrt()
    errors = errors / true.square().mean().sqrt()
    wrong, missing = float(errors.amin(dim=1).max()), float(errors.amin(dim=0).max())
    if wrong > RIGHT:
        return f"an image is off by {wrong:.2g}"
    return f"an image is missing, the nearest is {missing:.2g} away" if missing > RIGHT else ""


def main(arguments: Sequence[str] | None = None) -> None:
    """Count verdicts over alterations and seeds, and print the counts and each false one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2, help="cases of each alteration")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--only", nargs="*", help="parts of names of alterations")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    counts: Counter[str] = Counter()
    began = time.process_time()
    for place, (name, alter) in enumerate(ALTERATIONS.items()):
        if chosen.only and not any(part in name for part in chosen.only):
            continue
        for seed in range(chosen.first + 1000 * place, chosen.first + 1000 * place + chosen.seeds):
            words, case = case_of(seed)
            word, text = verdict(alter(case))
            counts[word] += 1
            print(f"{name}, seed {seed} ({words}): {word}", file=sys.stderr, flush=True)
            if word == "FALSE":
                print(f"FALSE exact, {name}, seed {seed} ({words}): {text}", flush=True)
    print(f"{counts.total()} altered updates, {time.process_time() - began:.0f} s of CPU")
    print(*(each_.rjust(12) for each_ in COLUMNS))
    print(*(str(counts[each_]).rjust(12) for each_ in COLUMNS))


if __name__ == "__main__":
    main()
