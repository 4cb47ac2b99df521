"""Jobs on text by the command: records, sheets, resuming, and the prepared experiments, tiny."""

import csv
import json
import math

import pytest
from safetensors.torch import load_file
from support.command import Command

from spear.analysis.records.frames import load_batches
from spear.experiments.config.experiments import FOLDER, experiments
from spear.experiments.record.records import ORDER
from spear.transformer.library import PACKAGE

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")

JOB = ("dataset=sentences", "network=gpt2", "network.width=64", "batch_size=2", "n_batches=2")
TEXTS = [
    "token_accuracy", "sequences_exact", "rouge1", "rouge2", "positions_exact", "state_error",
]  # fmt: skip
OF_TEXT = [
    name
    for name, each in experiments().items()
    if "override /dataset: sentences" in (FOLDER / f"{each.choice}.yaml").read_text()
]


@pytest.fixture
def spear(tmp_path, monkeypatch, capfd):
    return Command(tmp_path / "out", monkeypatch, capfd)


def rows(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_job_on_text_is_recorded_with_its_own_columns(spear):
    outcome = spear(*JOB, "attack=spear_text")
    assert outcome.code == 0, outcome.error
    (folder,) = (each.parent for each in spear.output_root.rglob("summary.json"))
    found = rows(folder / "batches.csv")
    assert list(found[0]) == [*ORDER, *TEXTS]
    assert {row["status"] for row in found} == {"exact"}
    assert {row["exact"] for row in found} == {"True"}
    assert {row["directions_right"] for row in found} == {"2"}
    assert {float(row["token_accuracy"]) for row in found} == {1.0}
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["n_exact"] == 2
    assert summary["accuracy"] == summary["rouge1_mean"] == summary["positions_exact_mean"] == 1
    assert summary["mse_mean"] is None
    assert "token_accuracy_mean 1" in outcome.out
    assert load_batches(spear.output_root)["rouge2"].tolist() == [1, 1]
    sheet = rows(folder / "reconstructions.csv")
    assert [row["is"] for row in sheet] == ["original", "reconstruction"] * 2
    assert [row["text"] for row in sheet[::2]] == [row["text"] for row in sheet[1::2]]


def test_a_complete_job_is_not_computed_again(spear):
    spear(*JOB, "attack=dager")
    again = spear(*JOB, "attack=dager")
    assert again.code == 0
    assert "complete already" in again.error + again.out


def test_a_file_of_ones_own_is_attacked(spear, tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("My code is xk42.\nThe old gate is open.\nCall me at noon.\n")
    overrides = ("dataset=text_file", f"dataset.file={path}", "attack=spear_text", "n_batches=1")
    outcome = spear(*JOB[1:4], *overrides)
    assert outcome.code == 0, outcome.error
    (sheet,) = spear.output_root.rglob("reconstructions.csv")
    texts = {row["text"] for row in rows(sheet) if row["is"] == "reconstruction"}
    assert texts <= {"my code is xk42.", "the old gate is open.", "call me at noon."}
    assert len(texts) == 2


def test_saved_sequences_are_in_the_order_of_the_true_ones(spear):
    outcome = spear(*JOB[:-1], "n_batches=1", "attack=spear_text", "save=reconstructions")
    assert outcome.code == 0, outcome.error
    (path,) = spear.output_root.rglob("0.safetensors")
    saved = load_file(path)
    found, true = saved["reconstructions"], saved["originals"]
    assert saved["found"].all()
    last = (true != 0).sum(dim=1) - 1  # the end of a sentence, which predicts nothing
    for row, read, n in zip(true, found, last, strict=True):
        assert read[:n].tolist() == row[:n].tolist()
        assert not read[n:].any()


def test_hidden_states_are_recorded_without_tokens(spear):
    outcome = spear(*JOB, "attack=spear_block", "attack.block=1")
    assert outcome.code == 0, outcome.error
    (path,) = spear.output_root.rglob("batches.csv")
    for row in rows(path):
        assert row["exact"] == "True"
        assert float(row["positions_exact"]) == 1
        assert math.isnan(float(row["token_accuracy"]))


def test_hidden_states_of_a_gated_block_are_recorded_without_directions(spear):
    """The attack finds no dL/dZ, which the truth has."""
    small = ["network.spread=0.1", "batch_size=2", "n_batches=1"]
    outcome = spear(JOB[0], "network=llama", JOB[2], *small, "attack=spear_gated")
    assert outcome.code == 0, outcome.error
    (path,) = spear.output_root.rglob("batches.csv")
    (row,) = rows(path)
    assert (row["status"], row["exact"]) == ("approximate", "True")
    assert float(row["positions_exact"]) == 1


def test_a_batch_that_cannot_be_attacked_is_recorded(spear):
    outcome = spear(*JOB[:-2], "batch_size=16", "n_batches=1", "attack=dager")
    assert outcome.code == 1
    assert "attack a smaller batch" in outcome.message
    (path,) = spear.output_root.rglob("batches.csv")
    (row,) = rows(path)
    assert row["status"] == "failed"
    assert float(row["token_accuracy"]) == float(row["rouge1"]) == 0


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["dataset=sentences"], "takes numbers; choose network=bert, gpt2, opt, llama or minilm."),
        (["network=gpt2"], "choose dataset=sentences or text_file."),
        ([*JOB], "choose attack=spear_text, dager or spear_block."),
        ([*JOB, "attack=geiping"], "choose attack=spear_text, dager or spear_block."),
        ([*JOB, "attack=spear_text", "augmentation=mixup"], "choose augmentation=none."),
        ([*JOB, "attack=spear_block", "attack.block=2"], "block is 2; expected 0 to 1"),
        ([*JOB, "network.objective=masked"], "objective is 'masked'; expected one of"),
    ],
)
def test_what_does_not_fit_is_one_sentence(spear, overrides, words):
    outcome = spear(*overrides)
    assert outcome.code == 1
    assert words in outcome.message
    assert "Traceback" not in outcome.error


@pytest.mark.parametrize(
    "name",
    [pytest.param(each, marks=pytest.mark.slow) if "minilm" in each else each for each in OF_TEXT],
)
def test_every_experiment_of_text_runs_tiny(name, spear):
    if "minilm" in name:
        pytest.importorskip(PACKAGE, reason="`make test-text-slow` installs MiniLM")
    outcome = spear(f"experiment={name}", "hydra.mode=RUN", "n_batches=1", "batch_size=1")
    assert outcome.code == 0, outcome.error
    (written,) = spear.output_root.rglob("summary.json")
    assert written.parents[1].name == name
    assert json.loads(written.read_text())["n_exact"] == 1


def test_there_are_experiments_of_text():
    assert {"text_recovery", "text_recovery_minilm", "transformer_blocks"} <= {*OF_TEXT}
