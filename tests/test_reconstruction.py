"""How an attack ended: one word for records, one sentence for people."""

import copy
import json
import pickle

import pytest
import torch

from spear.reconstruction import (
    RESTS_ON_ACTIVATION,
    RESTS_ON_BIASES,
    RESTS_ON_LOSS,
    Reconstruction,
    Status,
)

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


def test_it_shows_itself_briefly():
    found = Reconstruction.estimate(torch.zeros(3, 5), seconds=1.25)
    assert repr(found) == "<Reconstruction estimated: inputs 3 x 5, 1.2 s>"
    html = found._repr_html_()
    assert "<b>estimated</b>: 3 inputs of 5 entries" in html
    assert found.message in html


@pytest.mark.parametrize("name", [RESTS_ON_BIASES, RESTS_ON_LOSS, RESTS_ON_ACTIVATION])
def test_what_lengths_rest_on_is_said_of_right_inputs_alone(name):
    def found(status: Status) -> str:
        return Reconstruction.estimate(torch.ones(2, 3), 0.0, status, {name: 1.0}).message

    for status in (Status.EXACT, Status.APPROXIMATE):
        assert found(status).startswith(f"{status.message}; their lengths rest on the ")
    assert found(Status.PARTIAL) == Status.PARTIAL.message
