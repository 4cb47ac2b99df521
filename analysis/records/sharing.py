"""The content of `jobs.json`: values that all jobs of an experiment share, and each job's own.

    {"format": 2,
     "shared": {"config": {"seed": 0, "attack": {"layer": 1, "rank": null}}},
     "jobs": {"rank=4": {"config": {"attack": {"rank": 4}}},
              "layer=2": {"config": {"attack": {"layer": 2}}, "without": [["config", "seed"]]}}}

A job is `shared` with its own values laid over it: mappings key by key, any other value as a whole.
The keys at the ends of the paths in `without` are removed. If jobs differ in a key, `shared` has
null there, which keeps the order of the keys.
"""

import json
from collections.abc import Iterable
from typing import Any

Jobs = dict[str, dict[str, Any]]
"""Name of a job -> nested mapping of values that JSON has."""

FORMAT = 2
"""Version of the format. Version 1 had each complete job under its name, and no number `format`."""

WITHOUT = "without"


def to_json(jobs: Jobs) -> str:
    """Return the text of a file with these jobs: a line for each part of a job.

    Raises:
        ValueError: a job has the key `without` itself.
    """
    packed = pack(jobs)
    shared = json.dumps(packed["shared"], indent=1, ensure_ascii=False).replace("\n", "\n ")
    rows = ",\n".join(f" {_text(name)}: {_lines(own)}" for name, own in packed["jobs"].items())
    return f'{{"format": {FORMAT},\n "shared": {shared},\n "jobs": {{\n{rows}\n}}}}\n'


def from_json(text: str) -> Jobs:
    """Return the jobs of a file; see `unpack`."""
    return unpack(json.loads(text))


def pack(jobs: Jobs) -> dict[str, Any]:
    """Return the content of a file with these jobs; `unpack` gives them back, keys in their order.

    Raises:
        ValueError: a job has the key `without` itself.
    """
    claimed = [name for name, job in jobs.items() if WITHOUT in job]
    if claimed:
        raise ValueError(f"job {claimed[0]!r} has the key {WITHOUT!r}; rename it to collect it.")
    shared = _shared(list(jobs.values())) or {}
    packed = {}
    for name, job in jobs.items():
        missing = [*_missing(shared, job)]
        packed[name] = _own(shared, job) | ({WITHOUT: missing} if missing else {})
    return {"format": FORMAT, "shared": shared, "jobs": packed}


def unpack(content: dict[str, Any]) -> Jobs:
    """Return the jobs of a file, by name; one of the first format has them as they are.

    Raises:
        ValueError: the file is of a format of a later version.
    """
    if isinstance(content.get("format", {}), dict):
        return content
    if content["format"] != FORMAT:
        raise ValueError(
            f"jobs.json is of format {content['format']}; this version reads {FORMAT}: update it."
        )
    jobs = {}
    for name, packed in content["jobs"].items():
        own = dict(packed)
        absent = {tuple(path) for path in own.pop(WITHOUT, [])}
        jobs[name] = _laid_over(content["shared"], own, absent)
    return jobs


def _lines(own: dict[str, Any]) -> str:
    """Return a job's own values, each key on a line of its own."""
    return "{" + ",\n  ".join(f"{_text(key)}: {_text(value)}" for key, value in own.items()) + "}"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _shared(values: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the template of some mappings, or None if half of their keys or more are not in all.

    It has every key, in an order that each mapping keeps. If there is no such order, it is None.
    """
    keys = _in_order(values)
    if keys is None:
        return None
    in_all = [key for key in keys if all(key in each for each in values)]
    if keys and 2 * len(in_all) <= len(keys):
        return None
    return {key: _in_common([each.get(key) for each in values], key in in_all) for key in keys}


def _in_common(values: list[Any], in_all: bool) -> Any:
    """Return the part that values share: all of it, a template of mappings, or None."""
    if not in_all:
        return None
    if len({json.dumps(each) for each in values}) == 1:  # not ==, to which 1, 1.0 and True are one
        return values[0]
    return _shared(values) if all(isinstance(each, dict) for each in values) else None


def _own(shared: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a job that differ from the shared ones."""
    own = {}
    for key, value in job.items():
        template = shared.get(key)
        if isinstance(template, dict) and isinstance(value, dict):
            if difference := _own(template, value):
                own[key] = difference
        elif key not in shared or json.dumps(template) != json.dumps(value):
            own[key] = value
    return own


def _missing(
    shared: dict[str, Any], job: dict[str, Any], path: tuple[str, ...] = ()
) -> Iterable[list[str]]:
    """Yield the paths of `shared` that a job lacks."""
    for key, template in shared.items():
        here = (*path, key)
        if key not in job:
            yield [*here]
        elif isinstance(template, dict) and isinstance(job[key], dict):
            yield from _missing(template, job[key], here)


def _laid_over(
    shared: Any, own: Any, absent: set[tuple[str, ...]], path: tuple[str, ...] = ()
) -> Any:
    """Return a job's values over the shared ones, without the absent paths."""
    if not (isinstance(shared, dict) and isinstance(own, dict)):
        return own
    together = {}
    for key in [*shared, *(key for key in own if key not in shared)]:
        here = (*path, key)
        if here in absent:
            continue
        default = shared.get(key)
        value = own.get(key, {} if isinstance(default, dict) else default)
        together[key] = _laid_over(default, value, absent, here)
    return together


def _in_order(values: list[dict[str, Any]]) -> list[str] | None:
    """Return all keys in an order that each mapping keeps, or None if there is no such order."""
    keys: list[str] = []
    for each in values:
        place = 0
        for key in each:
            if key not in keys:
                keys.insert(place, key)
            place = keys.index(key) + 1
    ordered = all([key for key in keys if key in each] == [*each] for each in values)
    return keys if ordered else None
