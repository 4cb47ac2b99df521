"""`jobs.json` gives back every job as it was, whatever the jobs share."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spear.analysis.records.frames import _columns
from spear.analysis.records.sharing import from_json, pack, to_json, unpack
from spear.analysis.records.store import JOBS, RESULTS, collected_folders, read_jobs

NAMES = st.sampled_from(["a", "b", "c", "config", "shared", "jobs", "é.x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 1) | st.sampled_from([0.0, 1.0, 0.5, "", "null"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
NESTED = st.dictionaries(NAMES, VALUES, max_size=4)


@st.composite
def alike(draw: st.DrawFn) -> dict[str, Any]:
    """Jobs that come from one, each with some of its keys changed, dropped or added."""
    base = draw(NESTED)
    jobs = {}
    for number in range(draw(st.integers(0, 4))):
        own = json.loads(json.dumps(base))
        _change(draw, own)
        jobs[f"job {number}"] = own
    return jobs


def _change(draw: st.DrawFn, nested: dict[str, Any]) -> None:
    for key in list(nested):
        match draw(st.sampled_from(["keep", "keep", "replace", "drop"])):
            case "replace":
                nested[key] = draw(VALUES)
            case "drop":
                del nested[key]
            case "keep" if isinstance(nested[key], dict):
                _change(draw, nested[key])
    if draw(st.booleans()):
        nested |= draw(st.dictionaries(NAMES, VALUES, max_size=1))


def text(jobs: dict[str, Any]) -> str:
    """With the types, which == does not tell apart (1, 1.0, True), and the order of the keys."""
    return json.dumps(jobs)


@given(alike() | st.dictionaries(NAMES, NESTED, max_size=4))
def test_jobs_come_back_with_their_types_and_the_order_of_their_keys(jobs):
    assert text(from_json(to_json(jobs))) == text(jobs)
    assert text(unpack(pack(jobs))) == text(jobs)


def test_what_all_share_is_written_once_and_a_job_has_what_differs():
    shared = {"seed": 0, "attack": {"layer": 1, "rank": None}, "device": "cpu"}
    jobs = {
        "whole": {"config": shared},
        "layer": {"config": shared | {"attack": {"layer": 2, "rank": None}}},
        "no seed": {"config": {"attack": {"layer": 1, "rank": None}, "device": "cpu"}},
        "no attack": {"config": shared | {"attack": None}},
    }
    packed = pack(jobs)
    assert packed["shared"] == {"config": {"seed": None, "attack": None, "device": "cpu"}}
    assert packed["jobs"]["no attack"] == {"config": {"seed": 0}}
    assert packed["jobs"]["no seed"]["without"] == [["config", "seed"]]
    del jobs["no attack"], jobs["no seed"]
    assert pack(jobs) == {
        "format": 2,
        "shared": {"config": {"seed": 0, "attack": {"layer": None, "rank": None}, "device": "cpu"}},
        "jobs": {
            "whole": {"config": {"attack": {"layer": 1}}},
            "layer": {"config": {"attack": {"layer": 2}}},
        },
    }


def test_files_of_the_first_format_are_read_and_those_of_a_later_one_refused():
    jobs = {"a": {"config": {"seed": 0}, "summary": {}}, "format": {"config": {}, "summary": {}}}
    assert from_json(text(jobs)) == jobs
    with pytest.raises(ValueError, match="format 3; this version reads 2"):
        from_json('{"format": 3}')


def test_a_job_that_uses_the_marker_is_refused():
    with pytest.raises(ValueError, match="'without'"):
        pack({"a": {"without": []}})


def test_the_committed_files_are_as_they_would_be_collected():
    for folder in collected_folders(RESULTS):
        assert (folder / JOBS).read_text() == to_json(read_jobs(folder)), folder.name


def test_a_summary_hides_no_key_of_the_configuration():
    job = {"config": {"seed": 1, "a": {"b": 2}}, "summary": {"seed": 1, "c": 3}}
    assert _columns("x", job) == {"seed": 1, "a.b": 2, "c": 3}
    job["summary"]["a"] = {"b": 5}
    with pytest.raises(ValueError, match=r"job 'x' has 'a\.b' as 2 .* as 5 in its summary"):
        _columns("x", job)
