"""Random input for fuzz tests, and what every answer to it has to be.

A fuzz test gives a property to `examples`: a few dozen cases in `make test`, the same every time,
and a thousand in `make test-slow`.
"""

import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spear.errors import SpearError
from spear.reconstruction import Reconstruction, Status

LONGEST = 60
"""Seconds after which a call counts as hung; its time limit is far below."""

TURNED = 1e-5
"""Largest 1 - cosine of an input that is called exact with the true one."""

HIDDEN = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


def examples(few: int, many: int) -> pytest.MarkDecorator:
    """Parametrize a test with its number of cases, `n`: few, or many if slow tests run."""
    return pytest.mark.parametrize("n", [few, pytest.param(many, marks=pytest.mark.slow)])


def every(n: int, case: st.SearchStrategy[Any], holds: Callable[[Any], None]) -> None:
    """Ask whether a property holds of n cases; the smallest that fails is shown."""
    settings(max_examples=n, suppress_health_check=HIDDEN)(given(case)(holds))()


@contextmanager
def in_time() -> Iterator[None]:
    """Fail if what is done in it hangs."""

    def hung(*_: object) -> None:
        raise AssertionError(f"no answer in {LONGEST} s")

    before = signal.signal(signal.SIGALRM, hung)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def answered(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or None if it refuses its input in one sentence."""
    with in_time():
        try:
            return call()
        except SpearError as error:
            check_sentence(str(error))
            return None


def check_sentence(said: str) -> None:
    """Check that a message can be read: one line, with an end, and no traceback."""
    assert said.strip(), "an empty message"
    assert "Traceback" not in said
    assert "\n" not in said.strip(), said
    assert len(said) < 2000, said


def check_honest(found: Reconstruction | None, true: Tensor) -> None:
    """Check a reconstruction, if it is called exact."""
    if found is not None and found.status is Status.EXACT:
        check_along(found.inputs, true)


def check_along(found: Tensor, true: Tensor) -> None:
    """Check that inputs point along true ones.

    The length of an input of a single layer rests on its bias gradient alone, so that altering it
    alters the length: docs/threat-model.md.
    """
    rows, known = (nn.functional.normalize(x.flatten(1).double()) for x in (found, true))
    turned = 1 - (rows @ known.T).amax(dim=1)
    assert float(turned.max()) <= TURNED, f"a wrong exact: 1 - cosine is {turned.max():.2g}"


Change = Callable[[Tensor, np.random.Generator], Any]


def _times(factor: float) -> Change:
    return lambda given, _: factor * given


def _to(kind: torch.dtype) -> Change:
    return lambda given, _: given.to(kind)


def _entry(value: float) -> Change:
    def change(given: Tensor, draws: np.random.Generator) -> Any:
        changed = given.clone()
        if changed.numel():
            changed.reshape(-1)[int(draws.integers(changed.numel()))] = value
        return changed

    return change


def _noise(share: float) -> Change:
    def change(given: Tensor, draws: np.random.Generator) -> Any:
        given = given.double()
        drawn = torch.from_numpy(np.asarray(draws.standard_normal(tuple(given.shape))))
        return given + share * given.std(correction=0) * drawn

    return change


def _rows(given: Tensor, draws: np.random.Generator) -> Any:
    return given[torch.from_numpy(draws.permutation(len(given)))] if given.ndim else given


def _rows_zero(given: Tensor, draws: np.random.Generator) -> Any:
    changed = given.clone()
    if given.ndim and len(given):
        changed[int(draws.integers(len(given))) :] = 0
    return changed


def _steps(given: Tensor, _: np.random.Generator) -> Any:
    if not given.is_floating_point():
        return given
    step = given.abs().max().clamp(min=1e-30) / 127 if given.numel() else 1.0
    return (given / step).round() * step


CHANGES: dict[str, Change] = {
    **{f"times {each:g}": _times(each) for each in (-1, 0, 1.01, 1e-30, 1e30)},
    **{f"to {each}": _to(each) for each in (
        torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.bool, torch.complex64,
    )},
    **{f"an entry of {each}": _entry(each) for each in (np.nan, np.inf, 0.0, 1e20)},
    **{f"noise of {each:g}": _noise(each) for each in (1e-8, 1e-5, 1e-2, 1.0)},
    "rows in another order": _rows,
    "rows of zeros": _rows_zero,
    "255 steps": _steps,
    "signs": lambda x, _: x.real.sign(),
    "transposed": lambda x, _: x.mT if x.ndim > 1 else x,
    "without its last row": lambda x, _: x[:-1] if x.ndim else x,
    "without entries": lambda x, _: x[:0] if x.ndim else x,
    "one number": lambda x, _: x.sum(),
    "one dimension more": lambda x, _: x[None],
    "one row everywhere": lambda x, _: x[:1].expand_as(x) if x.ndim and len(x) else x,
    "sparse": lambda x, _: x.to_sparse() if x.ndim else x,
    "every other row of a larger one": lambda x, _: x.repeat_interleave(2, 0)[::2] if x.ndim else x,
    "part of a graph": lambda x, _: x.real.double().requires_grad_() * 1.0,
    "without memory": lambda x, _: x.to("meta"),
}  # fmt: skip
"""What may have happened to a tensor."""

ODD: dict[str, Any] = {
    repr(each): each for each in (None, "gradients", 0.5, [], [[1.0, 2.0], [3.0]], {})
}
"""What may stand where a tensor is expected."""

Drawn = list[tuple[str, str, int]]
"""Of each change the name of the tensor, that of the change and a seed."""


def changes(names: Iterable[str]) -> st.SearchStrategy[Drawn]:
    """Draw up to three changes, also several of the same tensor."""
    kinds = st.sampled_from([*CHANGES, *ODD])
    one = st.tuples(st.sampled_from(sorted(names)), kinds, st.integers(0, 999))
    return st.lists(one, min_size=1, max_size=3)


def changed(tensors: Mapping[str, Tensor], drawn: Drawn) -> dict[str, Any]:
    """Return the tensors after these changes, in their order."""
    found: dict[str, Any] = dict(tensors)
    for name, kind, seed in drawn:
        now = found[name]
        if kind in ODD:
            found[name] = ODD[kind]
        elif isinstance(now, Tensor) and not now.is_meta:
            now = now.detach()
            now = now if now.layout == torch.strided else now.to_dense()
            found[name] = CHANGES[kind](now, np.random.default_rng(seed))
    return found


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw the bytes of a file of which some were lost, changed or put in."""
    at = draw(st.integers(0, max(len(content) - 1, 0)))
    kind = draw(st.sampled_from(["cut", "changed", "put in", "random", "left out"]))
    if kind == "cut":
        return content[:at]
    if kind == "random":
        return draw(st.binary(max_size=200))
    other = draw(st.binary(min_size=1, max_size=16))
    if kind == "put in":
        return content[:at] + other + content[at:]
    if kind == "left out":
        return content[:at] + content[at + len(other) :]
    return content[:at] + other + content[at + len(other) :]
