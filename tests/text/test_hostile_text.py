"""The count of false `exact` on text: its cases, its alterations and its judges."""

import pytest
import torch

from benchmarks import hostile_text as hostile
from spear.reconstruction import Reconstruction, Status

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")

SEED = 3


def test_a_seed_gives_the_same_case():
    (said, first), (again, second) = hostile.case_of(SEED), hostile.case_of(SEED)
    assert said == again
    assert torch.equal(first.batch.inputs, second.batch.inputs)
    one, other = first.share().gradients, second.share().gradients
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "name", ["none", "all scaled", "two batches", "fc1 of another batch", "duplicates", "signs"]
)
def test_an_alteration_changes_what_it_names(name):
    _, case = hostile.case_of(SEED)
    honest, altered = case.share().gradients, hostile.ALTERATIONS[name](case)
    changed = {k for k, v in altered.update.gradients.items() if not torch.equal(v, honest[k])}
    if name == "none":
        assert not changed
    elif name == "fc1 of another batch":
        assert changed
        assert all(any(piece in each for piece in hostile.PARTS["fc1"]) for each in changed)
    else:
        assert changed
    assert len(altered.batches) == (2 if name == "two batches" else 1)


def test_an_alteration_of_what_a_model_lacks_leaves_one_batch():
    _, case = hostile.case_of(SEED, hostile.GATED)
    honest, altered = case.share().gradients, hostile.ALTERATIONS["two batches in biases"](case)
    assert all(torch.equal(value, honest[k]) for k, value in altered.update.gradients.items())
    assert altered.batches == (case.batch,)


def test_the_judge_of_text_tells_a_wrong_sentence():
    _, case = hostile.case_of(SEED)
    altered = hostile.ALTERATIONS["none"](case)
    rows = torch.unique(case.batch.inputs, dim=0).double()
    right = Reconstruction.estimate(rows, 0.0, Status.EXACT)
    assert hostile.wrong_text(case, altered, right, None) == ""
    wrong = rows.clone()
    wrong[0, 1] = 4 + (wrong[0, 1] - 3) % (hostile.WORDS - 4)
    found = Reconstruction.estimate(wrong, 0.0, Status.EXACT)
    assert hostile.wrong_text(case, altered, found, None).startswith("read")


@pytest.mark.slow
def test_the_table_counts_every_verdict(capsys):
    hostile.main(["--seeds", "1", "--only", "all scaled"])
    first, _, *rows = capsys.readouterr().out.splitlines()
    assert first.startswith("1 altered updates")
    assert [each.split()[0] for each in rows] == ["text", "block", "block"]
    assert all(sum(map(int, each.split()[-6:])) == 1 for each in rows)
    assert all(int(each.split()[-5]) == 0 for each in rows)  # no false one


@pytest.mark.parametrize("name", ["none", "duplicates", "first word again", "fc2 times 2"])
def test_gated_models_are_attacked_as_such(name):
    _, case = hostile.case_of(SEED, hostile.GATED)
    assert case.gated
    ((attack, word, wrong),) = hostile.said(case, hostile.ALTERATIONS[name](case))
    assert (attack, wrong) == ("text", "")
    assert word != "FALSE"
