"""Statements of audits, counted by their truth: `python -m benchmarks.audits`

Random networks, batches and updates (`benchmarks.audit_cases`) are audited, and what the audit says
of each layer is compared with the truth, which it is not told:

* *false exact*: inputs called exact that are wrong, missing or too many;
* *false count*: inputs that count as found and are far from every true one, or a least number of
  inputs above the true one;
* *false all-clear*: "nothing", "not applicable" or "invalid" of a layer whose inputs the theory
  gives away, or such an update refused;
* *false refutation*: an unaltered gradient called altered although its inputs were found;
* *trace*: any error but a `SpearError`.
"""

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

import torch

from benchmarks.audit_cases import Case, Layer, case
from spear.auditing import Audit, LayerFinding, Verdict, audit
from spear.auditing.recovery import largest_error
from spear.errors import SpearError

RIGHT = 1e-3
"""Relative error of inputs that may be called exact."""

CLOSE = 0.2
"""Relative error of inputs that may count as found if the update is rounded."""

WRONG = 0.5
"""Relative error from which they may not, whatever the noise."""

CLEAR = (Verdict.NOTHING, Verdict.NOT_APPLICABLE, Verdict.INVALID)

FALSE = ("exact", "count", "all-clear", "refutation", "trace")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each false statement, and the counts of all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--audits", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="seed of the first [0]")
    parser.add_argument("--budget", type=float, default=0.5, help="seconds of each audit [0.5]")
    parser.add_argument("--minutes", type=float, default=10.0, help="start no more after these")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    said: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    end = time.monotonic() + 60 * options.minutes
    for done, seed in enumerate(range(options.first, options.first + options.audits)):
        if time.monotonic() > end:
            print(f"{done} of {options.audits} audits in {options.minutes:g} minutes")
            break
        made = case(seed)
        for statement in audited(made, options.budget, said):
            wrong[statement.partition(":")[0]] += 1
            print(f"seed {seed}, {made.kind}, {made.said}: false {statement}", flush=True)
    print(", ".join(f"{verdict} {said[verdict]}" for verdict in (*Verdict, "refused")))
    print("; ".join(f"false {kind}: {wrong[kind]}" for kind in FALSE))


def audited(made: Case, budget: float, said: Counter[str]) -> Iterator[str]:
    """Audit a case, count the verdicts on its layers, and return the false statements."""
    try:
        found = audit(made.model, made.update, budget=budget, **made.settings)
    except SpearError as error:
        said["refused"] += 1
        leaking = any(layer.leaks for layer in made.layers.values())
        if made.unaltered and leaking:
            yield f"all-clear: refused, {error}"
        return
    except Exception as error:  # which is what is counted
        yield f"trace: {type(error).__name__}: {error}"
        return
    said.update(str(layer.verdict) for layer in found.layers)
    yield from statements(made, found)


def statements(made: Case, found: Audit) -> Iterator[str]:
    """Return the false statements about the layers, each with its kind and the layer."""
    for layer in found.layers:
        true = made.layers[layer.name]
        for kind, text in _of_layer(made, layer, true):
            yield f"{kind}: layer {layer.name} is {layer.verdict}, {text}"


def _of_layer(made: Case, said: LayerFinding, true: Layer) -> Iterator[tuple[str, str]]:
    recovery, rank = said.recovery, said.spectrum.rank if said.spectrum else 0
    count = len(true.inputs)
    hidden = made.rounded and said.verdict is Verdict.NOTHING  # by rounding as large as a signal
    if said.verdict in CLEAR and made.unaltered and true.leaks and not hidden:
        yield "all-clear", said.reasons[-1]
    if recovery is None:
        return
    error = largest_error(recovery.inputs, true.inputs)
    if said.verdict is Verdict.EXACT and not (error < RIGHT and len(recovery.inputs) == count):
        yield "exact", f"error {error:.2g}, {len(recovery.inputs)} of {count} inputs"
    worst = _worst(recovery.inputs[: recovery.found], true.inputs)
    if_unaltered = said.verdict in (Verdict.CONSISTENT, Verdict.PARTIAL)
    conditional = if_unaltered and not made.unaltered
    blurred = said.verdict is Verdict.APPROXIMATE
    limit = (CLOSE if made.unaltered else WRONG) if blurred else RIGHT
    if not (worst < limit or conditional):
        yield "count", f"{recovery.found} inputs found, error {worst:.2g}"
    if said.spectrum and said.spectrum.gap and made.unaltered and rank > count:
        yield "count", f"at least {rank} inputs of {count}"
    right = error < RIGHT and len(recovery.inputs) == count
    if said.verdict is Verdict.UNCONFIRMED and made.unaltered and made.told and right:
        yield "refutation", f"residual {recovery.resimulation.residual:.2g}, error {error:.2g}"


def _worst(found: torch.Tensor, true: torch.Tensor) -> float:
    """Return the largest distance of an input found to the nearest true one, relative."""
    if not len(found) or not len(true):
        return float("inf") if len(found) else 0.0
    distances = torch.cdist(found.double(), true.double()).min(dim=1).values
    return float(distances.max() / true.double().norm(dim=1).mean().clamp(min=1e-300))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
