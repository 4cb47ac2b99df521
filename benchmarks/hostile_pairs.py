"""False `exact` of attacks on layer pairs, counted: `python -m benchmarks.hostile_pairs`

Random networks (1 to 5 hidden layers, wide and narrow, any activation, with and without biases) and
batches; an honest client, and an update that was altered (`benchmarks.hostile_alterations`).
`spear_pair`, `spear_network` and `spear_pair_unbiased` receive it and do not know. A verdict of
`exact` is false if an input is off by more than 0.1 % of its length, or if an input is missing.
Inputs that are right but for one factor are counted as "to scale" if the result says that nothing
but the bias gradients fixes it. The proof of a pair is also asked without the search, about the
true batch as nearly as the gradients show it: a search seldom ends where an altered update would
mislead the proof.
"""

import argparse
import random
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from benchmarks.hostile_alterations import ALTERATIONS, Altered, Case
from spear.client.client import Client
from spear.data import Batch
from spear.errors import SpearError
from spear.inversion import SpearNetwork, SpearPair, SpearPairUnbiased
from spear.inversion.pair.finish import finished
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.inversion.pair.proof import evidence, verdict
from spear.inversion.pair.scale import rests_on_biases
from spear.networks.activations import ACTIVATIONS
from spear.observation import UnbiasedPair
from spear.reconstruction import RESTS_ON_BIASES, Reconstruction, Status
from spear.scoring.truth import truth_of

RIGHT = 1e-3
"""Relative error of an input that may be called exact."""

VISIBLE = 1e-6
"""Least share of the largest gradient of an input that leaves a trace in float32."""

N, CLASSES = 48, 10

SHAPES: tuple[tuple[int, ...], ...] = (
    (64,), (40,), (64, 64), (64, 24), (28, 64), (96, 48, 64), (56, 56, 56, 56, 56),
)  # fmt: skip
"""Widths of the hidden layers."""

ASKED = ("pair", "network", "unbiased", "proof")

COLUMNS = ("exact", "to scale", "FALSE", "approximate", "partial", "no search", "refused")


@dataclass(frozen=True)
class Said:
    """A verdict on an update.

    Attributes:
        by: what was asked.
        word: one of `COLUMNS`.
        text: of a false one, what is wrong.
    """

    by: str
    word: str
    text: str = ""


def case_of(seed: int) -> tuple[str, Case]:
    """Return a case and its description; the same for the same seed."""
    chosen = random.Random(seed)
    name = chosen.choice(list(ACTIVATIONS))
    widths, b = chosen.choice(SHAPES), chosen.choice((1, 2, 3, 4, 6, 8))
    biases = chosen.random() < 0.6
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for before, after in zip((N, *widths), widths, strict=False):
            layers += [nn.Linear(before, after), ACTIVATIONS[name]()]
        network = nn.Sequential(*layers, nn.Linear(widths[-1], CLASSES, chosen.random() < 0.8))
    if not biases:
        for each in network:
            if isinstance(each, nn.Linear) and each.bias is not None:
                nn.init.zeros_(each.bias)
    batch, other = _batch(b, generator), _batch(b, generator)
    said = f"{name}, {widths}, b = {b}, {'biases' if biases else 'zero biases'}"
    return said, Case(network, batch, other, generator)


def _batch(b: int, generator: torch.Generator) -> Batch:
    inputs = torch.randn(b, N, generator=generator)
    return Batch(inputs, torch.randint(CLASSES, (b,), generator=generator))


def true_inputs(case: Case, altered: Altered, layer: int) -> Tensor:
    """Return the different inputs of a layer that leave a trace in the update."""
    client = Client(altered.network or case.network)
    truths = [truth_of(client, batch, layer) for batch in altered.batches]
    inputs = torch.cat([each.inputs.flatten(1) for each in truths]).double()
    traces = torch.cat([each.activation_gradients.T.norm(dim=1) for each in truths])
    inputs = inputs[traces > VISIBLE * traces.max()]
    kept = inputs[:0]
    for one in inputs:
        if not bool((torch.cdist(one[None], kept) <= RIGHT * one.norm()).any()):
            kept = torch.cat([kept, one[None]])
    return kept


def wrong(found: Tensor, true: Tensor) -> str:
    """Return what is wrong with inputs that were called exact, or nothing."""
    distances = torch.cdist(found.double(), true)
    sizes = true.norm(dim=1).clamp(min=1e-30)
    off = float((distances / sizes).amin(dim=1).max())
    missing = int(((distances / sizes).amin(dim=0) > RIGHT).sum())
    if off > RIGHT:
        return f"error {off:.2g}"
    return f"{missing} of {len(true)} inputs missing" if missing else ""


def right_to_scale(found: Tensor, true: Tensor) -> bool:
    """Tell whether inputs are right but for one factor."""
    factor = true.norm() / found.double().norm()
    return not all(wrong(sign * factor * found, true) for sign in (1, -1))


def verdicts(case: Case, altered: Altered, layer: int, seconds: float) -> Iterator[Said]:
    """Ask both attacks and the proof."""
    update = altered.update
    pair = SpearPair(time_limit=seconds, max_starts=400)
    network = SpearNetwork(layer, time_limit=seconds, max_starts=400)
    unbiased = SpearPairUnbiased(time_limit=seconds, max_starts=400)
    asked: tuple[tuple[str, Callable[[], Reconstruction], int], ...] = (
        ("pair", lambda: pair(pair.observe(update)), 1),
        ("network", lambda: network(network.observe(update)), layer),
        ("unbiased", lambda: unbiased(_without_sum(unbiased.observe(update))), 1),
    )
    for by, attack, of in asked:
        try:
            found = attack()
        except SpearError as error:
            yield Said(by, "refused", str(error))
            continue
        flagged = bool(found.details.get(RESTS_ON_BIASES))
        true = true_inputs(case, altered, of)
        if by == "unbiased":  # an input of zeros leaves nothing in dL/dW1
            true = true[true.norm(dim=1) > VISIBLE * true.norm(dim=1).max()]
        yield _said(by, found.status, found.inputs, true, flagged)
    yield from _of_proof(case, altered)


def _without_sum(pair: UnbiasedPair) -> UnbiasedPair:
    """The same without dL/dc2 in half of the cases."""
    odd = int(1e9 * abs(float(pair.weight[0, 0]))) % 2
    return replace(pair, next_bias_gradient=None) if odd else pair


def _said(by: str, status: Status, inputs: Tensor, true: Tensor, flagged: bool) -> Said:
    if status is Status.EXACT:
        text = wrong(inputs, true)
        if text and flagged and right_to_scale(inputs, true):
            return Said(by, "to scale")
        return Said(by, "FALSE" if text else "exact", text)
    if status is Status.APPROXIMATE:
        return Said(by, "approximate")
    partial = status in (Status.PARTIAL, Status.TIMED_OUT)
    return Said(by, "partial" if partial else "no search")


def _of_proof(case: Case, altered: Altered) -> Iterator[Said]:
    """Ask the proof about the true batch in the coordinates of the gradient, refitted and not."""
    try:
        problem = pair_problem(altered.update.observe_pair(1))
    except SpearError:
        return
    true = true_inputs(case, altered, 1)
    if isinstance(problem, Status) or problem.b > len(true):
        return
    chosen = [true[: problem.b]] if problem.b < len(true) else [true]
    if problem.b < len(true):
        chosen.append(true[-problem.b :])
    for inputs in chosen:
        rows = torch.linalg.lstsq(problem.first.right.T, inputs.T).solution.T
        rows = rows / (rows @ problem.first.bias_coordinates)[:, None]
        if not bool(rows.isfinite().all()) or int(torch.linalg.matrix_rank(rows)) < problem.b:
            continue
        yield from _judged(problem, rows, true)


def _judged(problem: PairProblem, rows: Tensor, true: Tensor) -> Iterator[Said]:
    plain = torch.linalg.inv(rows)
    samples = Samples(rows, plain.T, rows.new_zeros(problem.b, problem.r))
    for disaggregation in (plain, finished(problem, samples)):
        found = evidence(problem, disaggregation)
        inputs = torch.linalg.solve(disaggregation, problem.first.right)
        flagged = rests_on_biases(problem, found)
        yield _said("proof", verdict(problem, found), inputs, true, flagged)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each false verdict, and the table of kinds and verdicts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--each", type=int, default=4, help="updates of each kind [4]")
    parser.add_argument("--first", type=int, default=0, help="seed of the first [0]")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each attack [1]")
    parser.add_argument("--minutes", type=float, default=30.0, help="start no more after these")
    parser.add_argument("--kind", help="only kinds that contain these letters")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    end, updates = time.monotonic() + 60 * options.minutes, 0
    for place, (kind, alteration) in enumerate(ALTERATIONS.items()):
        if options.kind and options.kind not in kind:
            continue
        for number in range(options.each):
            if time.monotonic() > end:
                break
            seed = options.first + 1000 * place + number
            text, case = case_of(seed)
            layer = random.Random(seed).randint(1, (len(case.network) + 1) // 2)
            altered = alteration(case)
            updates += 1
            for said in verdicts(case, altered, layer, options.seconds):
                counts[kind][f"{said.by} {said.word}"] += 1
                if said.word == "FALSE":
                    asked = f"{said.by} (layer {layer})" if said.by == "network" else said.by
                    print(f"seed {seed}, {kind}: {text}: {asked}: {said.text}", flush=True)
    print(table(counts))
    false = sum(n for of in counts.values() for word, n in of.items() if word.endswith("FALSE"))
    claims = sum(sum(of.values()) for of in counts.values())
    print(f"{updates} updates, {claims} verdicts, {false} false exact")


def table(counts: dict[str, Counter[str]]) -> str:
    """Return kinds against verdicts, each in the order of `ASKED`."""
    lines = ["| kind | " + " | ".join(COLUMNS) + " |", "| --- " * (len(COLUMNS) + 1) + "|"]
    for kind, of in counts.items():
        cells = ("/".join(str(of[f"{by} {word}"]) for by in ASKED)
                 for word in COLUMNS)  # fmt: skip
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
