"""The count of an audit's statements by their truth: true ones pass, forged ones are counted."""

from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.audit_cases import KINDS, case
from benchmarks.audits import audited, main, statements
from spear.auditing import Verdict, audit


@pytest.mark.parametrize("seed", range(0, 4 * len(KINDS), len(KINDS) + 1))
def test_what_an_audit_says_is_so(seed):
    assert list(audited(case(seed), 0.3, Counter())) == []


@pytest.fixture
def leaking():
    """An unaltered gradient whose first layer leaks, and its audit."""
    made = next(each for each in map(case, range(0, 900, len(KINDS))) if leaks(each))
    found = audit(made.model, made.update, budget=5, **made.settings)
    assert found.layers[0].verdict in (Verdict.EXACT, Verdict.CONSISTENT)
    return made, found


def leaks(made) -> bool:
    first = next(iter(made.layers.values()))
    return first.leaks and len(first.inputs) > 1 and made.told


def forged(found, **changes):
    return replace(found, layers=(replace(found.layers[0], **changes), *found.layers[1:]))


def test_forged_statements_are_counted(leaking):
    made, found = leaking
    recovery = found.layers[0].recovery
    wrong = replace(recovery, inputs=2 * recovery.inputs)
    few = replace(recovery, inputs=recovery.inputs[1:], found=len(recovery.inputs) - 1)
    spectrum = replace(found.layers[0].spectrum, rank=99, gap=True)
    for changes, kind in (
        ({"verdict": Verdict.EXACT, "recovery": wrong}, "exact"),
        ({"verdict": Verdict.EXACT, "recovery": few}, "exact"),
        ({"verdict": Verdict.CONSISTENT, "recovery": wrong}, "count"),
        ({"spectrum": spectrum}, "count"),
        ({"verdict": Verdict.NOTHING, "recovery": None, "reasons": ("none",)}, "all-clear"),
        ({"verdict": Verdict.UNCONFIRMED}, "refutation"),
    ):
        said = [each.partition(":")[0] for each in statements(made, forged(found, **changes))]
        assert kind in said, changes
    assert list(statements(made, found)) == []


def test_errors_are_counted(leaking):
    made, _ = leaking
    assert next(audited(replace(made, update=7), 1.0, Counter())).startswith("all-clear: refused")
    assert next(audited(replace(made, model=7), 1.0, Counter())).startswith("trace: ")


def test_the_counts_are_printed(capsys):
    main(["--audits", "2", "--budget", "0.1"])
    assert "false exact: 0; false count: 0; false all-clear: 0" in capsys.readouterr().out
