"""How an attack ended: one word for records, one sentence for people."""

import copy
import json
import pickle

import pytest

from spear.reconstruction import Status

RECORDED = {
    "exact", "approximate", "estimated", "partial", "timed_out", "samples_exhausted",
    "zero_gradient", "full_rank", "interrupted", "failed",
}  # fmt: skip


def test_a_status_is_the_word_that_is_recorded():
    assert {str(each) for each in Status} == RECORDED
    assert json.dumps(Status.TIMED_OUT) == '"timed_out"'
    for word in RECORDED:
        status = Status(word)
        assert status == status.value == f"{status}" == word
        assert pickle.loads(pickle.dumps(status)) is copy.deepcopy(status) is status  # noqa: S301


def test_every_status_has_a_sentence_of_its_own():
    assert len({each.message for each in Status}) == len(Status)
    assert all(each.message[0].islower() and each.message[-1] != "." for each in Status)


def test_a_word_that_is_no_status_is_refused():
    with pytest.raises(ValueError, match="'solved' is not a valid Status"):
        Status("solved")
