"""The `spear` command as a user types it: what it leaves behind, and how it refuses."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from hydra.errors import MissingConfigException
from PIL import Image
from safetensors.torch import save_file
from support.command import Command, numbers, read_rows, typed

from spear.experiments.cli.explain import explain
from spear.experiments.config.schema import CONF
from spear.networks import fcnn
from spear.reconstruction import Reconstruction

ATTACKS = len([*(CONF / "attack").glob("*.yaml")])
QUICK = ("batch_size=2", "n_batches=2", "dataset=digits")
FOLDER = "batch_size=2,dataset=digits,n_batches=2"
SUMMARY_KEYS = {
    "experiment",
    "n_batches",
    "n_exact",
    "accuracy",
    "accuracy_recovered",
    "recovered_mean",
    "psnr_mean",
    "psnr_std",
    "lpips_mean",
    "mae_mean",
    "mse_mean",
    "ssim_mean",
    "lambda_mean",
    "submatrices_median",
    "seconds_median",
    "seconds_total",
    "gradient_median",
    "failures",
    "batch_size",
    "attack",
    "dataset",
    "drawing",
    "network",
    "defense",
    "fedavg",
    "seed",
    "git_sha",
    "git_dirty",
    "versions",
    "hardware",
    "wall_seconds",
}


@pytest.fixture
def spear(tmp_path, monkeypatch, capfd):
    return Command(tmp_path / "out", monkeypatch, capfd)


def test_a_job_leaves_its_whole_record(tmp_path, monkeypatch, capfd):
    spear = Command(tmp_path / "out", monkeypatch, capfd, pictures=True)
    outcome = spear("batch_size=4", "n_batches=2")
    folder = spear.folder("batch_size=4,n_batches=2")
    summary = json.loads((folder / "summary.json").read_text())
    rows = read_rows(folder)
    assert outcome.code == 0
    assert set(summary) >= SUMMARY_KEYS
    assert summary["n_exact"] == summary["n_batches"] == len(rows) == 2
    assert summary["failures"] == 0
    assert summary["wall_seconds"] > summary["seconds_total"] > 0
    assert summary["psnr_mean"] == pytest.approx(sum(float(r["psnr"]) for r in rows) / 2)
    assert summary["psnr_mean"] > 140
    assert summary["lambda_mean"] == 1
    assert summary["lpips_mean"] is None  # 25 pixels are too few for LPIPS
    assert "batch_size: 4" in (folder / "config.yaml").read_text()
    assert "${" not in (folder / "config.yaml").read_text()
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["versions"]["torch"] == torch.__version__.split("+")[0]
    assert Image.open(folder / "reconstructions.png").width > 200
    assert str(folder) in outcome.out
    assert "2/2 (100%)" in outcome.out


def test_same_seed_same_result_and_another_seed_another(spear):
    spear(*QUICK)
    first = read_rows(spear.folder(FOLDER))
    spear(*QUICK, "--force")
    again = read_rows(spear.folder(FOLDER))
    spear(*QUICK, "seed=1")
    other = read_rows(spear.folder(f"{FOLDER},seed=1"))

    assert numbers(first) == numbers(again)
    assert numbers(first) != numbers(other)


def test_a_batch_does_not_depend_on_those_before_it(spear):
    spear("dataset=digits", "batch_size=3", "n_batches=1")
    spear("dataset=digits", "batch_size=3", "n_batches=3")
    one = read_rows(spear.folder("batch_size=3,dataset=digits,n_batches=1"))
    three = read_rows(spear.folder("batch_size=3,dataset=digits,n_batches=3"))
    assert one[0]["psnr"] == three[0]["psnr"]
    assert three[0]["psnr"] != three[1]["psnr"]


def test_a_batch_alone_is_the_one_of_a_whole_job(spear):
    choices = ("dataset=digits", "batch_size=3", "drawing=single_class", "defense=dpsgd")
    spear(*choices, "defense.noise_std=1e-9", "n_batches=5")
    spear(*choices, "defense.noise_std=1e-9", "n_batches=1", "first_batch=3")
    whole, alone = (next(spear.output_root.rglob(f"*n_batches={n}*")) for n in (5, 1))
    assert [row["batch"] for row in read_rows(alone)] == ["3"]
    assert numbers(read_rows(alone)) == numbers(read_rows(whole))[3:4]
    assert (alone / "reconstructions.png").is_file()


def test_a_sweep_runs_every_combination(spear):
    outcome = spear("-m", "dataset=digits", "n_batches=1", "batch_size=2,3", "seed=1,2")
    folders = sorted(path.parent.name for path in spear.output_root.rglob("summary.json"))
    assert outcome.code == 0
    assert folders == [
        f"batch_size={b},dataset=digits,n_batches=1,seed={s}" for b in (2, 3) for s in (1, 2)
    ]


@pytest.mark.slow
def test_help_reads_well_in_a_process_of_its_own():
    done = subprocess.run(
        [sys.executable, "-m", "spear.experiments.cli.entry", "--help"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    for word in ("batch_size", "attack.layer", "information_set", "cifar10", "offline"):
        assert word in done.stdout
    assert "$" not in done.stdout
    prose = re.sub(r"(?s)Choices.*?Examples", "", done.stdout)  # lists of files grow
    assert all(len(line) <= 100 for line in prose.splitlines())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("defense=dpsgd", "defense.max_norm=0"), "defense.max_norm is 0"),
        (("defense=dpsgd", "defense.noise_std=lots"), "key 'defense.noise_std' is 'lots'"),
        (("fedavg=fedavg", "fedavg.epochs=0"), "fedavg.epochs is 0; expected at least 1"),
        (("fedavg=fedavg", "fedavg.batch_size=0"), "fedavg.batch_size is 0"),
        (("network=trained", "network.steps=-1"), "network.steps is -1"),
        (
            ("network=trained", "+network.dataset.split=test"),
            "key 'network.dataset' has no _target_",
        ),
    ],
)
@pytest.mark.few(2)
def test_bad_settings_of_other_choices_are_refused_in_one_sentence(spear, overrides, message):
    outcome = spear(*overrides)
    assert outcome.code == 1
    assert message in outcome.message
    assert "Traceback" not in outcome.error


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("drawing=single_class", "has 10 examples and cannot give a batch of 20; choose"),
        ("batchsize=3", "key 'batchsize' does not exist; did you mean 'batch_size'?"),
        ("+extra=3", "key 'extra' does not exist"),
        ("batch_size=ten", "key 'batch_size' is 'ten'; expected integer"),
        ("batch_size=0", "key 'batch_size' is 0; expected at least 1"),
        ("batch_size=101", "has 100 examples"),
        (
            "dataset=cifar",
            "dataset=cifar does not exist; did you mean 'cifar10'? Choose one of adult, cifar10",
        ),
        ("network.activation=gleu", "network.activation is 'gleu'; did you mean 'gelu'? Expected"),
        (
            "attack/sampler=svd",
            "with this attack; attack=spear, attack=spear_paper, attack=spear_prior have it",
        ),
        ("dataset.normalise=true", "did you mean 'dataset.normalize'? See"),
        ("network.wdith=100", "key 'network.wdith' does not exist; did you mean 'network.width'?"),
        ("dataset=digts", "dataset=digts does not exist; did you mean 'digits'? Choose one of"),
        ("defense.noise_std=1", "does not exist with this defense; defense=dpsgd"),
        ("+dataset.colour=true", "key 'dataset.colour' does not exist; the keys of dataset are"),
        (
            "+dataset.normalise=true",
            "does not exist; did you mean 'dataset.normalize'? The keys of",
        ),
        (
            "attack=spear_irls attack.settings.smaple=true",
            "did you mean 'attack.settings.sample'? See",
        ),
        ("attack=spear_irls attack/setings=full", "did you mean 'attack/settings'? See"),
        ("atack=spear", "key 'atack' does not exist; did you mean 'attack'? See"),
        ("network.width=wide", "key 'network.width' is 'wide'; expected int"),
        ("network.depth=1", "network.depth is 1; expected at least 2"),
        ("network.checkpoint=absent.pt", "checkpoint absent.pt does not exist"),
        ("attack=spear_irls attack.layer=6", "attack.layer is 6, but no ReLU follows that layer"),
        ("attack.layer=7", "the network has linear layers 1 to 6"),
        ("attack.time_limit=soon", "key 'attack.time_limit' is 'soon'; expected float or null"),
        ("attack=spear_irls attack/settings=some", "attack/settings=some does not exist"),
        (
            "attack=spear_pare",
            "attack=spear_pare does not exist; did you mean 'spear_pair' or 'spear_paper' or",
        ),
        ("attack=zzz", f"attack=zzz does not exist; `spear --help` lists all {ATTACKS}."),
        (
            "tracking=of",
            "tracking=of does not exist; did you mean 'off'? Choose one of off, offline, online",
        ),
        ("experiment=table99", "experiment=table99 does not exist; did you mean 'table9' or"),
        ("experiment=beyond/table9", "experiment=beyond/table9 does not exist; did you mean"),
        ("experiment=nix", "experiment=nix does not exist; `spear experiments` lists all"),
        ("device=gpu", "device is 'gpu', on which this machine cannot compute; expected cpu"),
        ("attack.device=gpu", "attack.device is 'gpu', on which this machine cannot compute"),
        ("seed=-1", "key 'seed' is -1; expected 0 or more"),
        ("first_batch=-1", "key 'first_batch' is -1; expected 0 or more"),
        ("batch_size=4,8", "'batch_size=4,8' gives several values; write `spear -m batch_size=4"),
        (
            "batch_size = 8",
            "'batch_size = 8' cannot be read; write it without spaces, batch_size=8",
        ),
        (
            "drawing=one_class",
            "drawing=one_class does not exist; did you mean 'single_class'? Choose",
        ),
    ],
)
@pytest.mark.few(8)
def test_bad_settings_are_refused_by_name_in_one_sentence(spear, override, message):
    outcome = spear(*override.split())
    assert outcome.code == 1
    assert message in outcome.message
    assert "Traceback" not in outcome.error


@pytest.mark.parametrize("line", [("batch_size=101",), ("attack=zzz",), ("-m", "attack=zzz,yyy")])
def test_nothing_stands_above_the_sentence(spear, line):
    """Hydra would say "Error executing job with overrides: ..." first."""
    outcome = spear(*line)
    assert outcome.error.startswith("spear: ")
    assert outcome.error.count("\n") == 0


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        ("ggl", "the generator makes images of shape (3, 32, 32), but the network takes inputs"),
        ("gias", "the generator makes images of shape (3, 32, 32), but the network takes inputs"),
        ("gifd", "the generator makes images of shape (3, 32, 32), but the network takes inputs"),
        ("tableak", "of shape (1, 8, 8), are no rows of a table, which TabLeak needs"),
    ],
)
@pytest.mark.few(2)
def test_data_that_an_attack_cannot_find_are_refused_before_the_first_batch(spear, attack, message):
    outcome = spear(*QUICK, f"attack={attack}")
    assert outcome.code == 1
    assert message in outcome.message
    assert "2 of 2 batches" not in outcome.message
    assert not outcome.out.count("PSNR")


def test_the_log_has_a_line_per_batch_that_the_terminal_has_not(spear):
    outcome = spear(*QUICK)
    log = (spear.folder(FOLDER) / "job.log").read_text()
    lines = re.findall(r"^\[[\d-]+ [\d:,]+\] (batch \d: exact) in .* s, psnr \d+", log, re.M)
    assert lines == ["batch 0: exact", "batch 1: exact"]
    assert "batch 0: exact" not in outcome.out + outcome.error


def test_zeros_have_no_psnr_where_nothing_was_found(spear):
    outcome = spear(*QUICK, "defense._target_=faulty.ZeroGradient")
    rows = [re.split(r"\s*[│]\s*", line)[1:3] for line in outcome.out.splitlines() if "│" in line]
    assert rows == [["0", "-"], ["1", "-"], ["all", "-"]]
    (summary,) = spear.output_root.rglob("summary.json")
    assert json.loads(summary.read_text())["n_empty"] == 2


def test_a_limit_that_ends_an_attack_is_told_with_the_key(spear):
    outcome = spear(*QUICK, "batch_size=20", "network.width=40", "attack.time_limit=0.001")
    assert "timed_out: the time limit was reached; raise time_limit to search longer" in outcome.out


def test_a_plan_without_any_forecast_names_no_minutes(monkeypatch, capfd):
    said = typed(monkeypatch, capfd, "spear", "plan", "attack=geiping", "dataset=digits").out
    assert said.splitlines()[-1] == "1 job: no forecast of the time"


def test_a_sweeper_that_is_not_installed_is_named_with_its_package():
    options = (
        "Could not find 'hydra/sweeper/optuna'\n\nAvailable options in 'hydra/sweeper':\n\tbasic"
    )
    assert explain(MissingConfigException(options)) == (
        "hydra/sweeper=optuna needs the package hydra-optuna-sweeper, which is not installed; run "
        "`pip install 'spear-suite[search]'`, or in a checkout `pip install '.[search]'`."
    )


def test_of_many_choices_the_closest_three_are_offered(spear):
    said = spear("attack=spear_pairs").message
    assert said.count("'") == 6
    assert len(said) < 200


@pytest.mark.parametrize(
    "choice", ["defense=dpsgd defense.noise_std=0", "fedavg=fedavg fedavg.epochs=1"]
)
def test_clipping_or_one_local_step_does_not_protect(spear, choice):
    outcome = spear(*QUICK, *choice.split())
    summary = json.loads(next(spear.output_root.rglob("summary.json")).read_text())
    assert outcome.code == 0
    assert summary["accuracy"] == 1
    assert summary["psnr_mean"] > 80


def test_missing_data_says_what_to_fetch(spear, tmp_path):
    outcome = spear("dataset=cifar10", f"data_root={tmp_path}")
    assert outcome.code == 1
    assert "set download to true" in outcome.message
    assert str(tmp_path) in outcome.message


def test_a_batch_without_memory_is_recorded_and_counted(spear):
    outcome = spear(*QUICK, "n_batches=2", "attack._target_=faulty.NoMemory")
    assert outcome.code == 1
    assert "2 of 2 batches" in outcome.message
    assert "out of memory" in outcome.message


def test_an_output_folder_that_cannot_be_written_is_named(spear, tmp_path):
    (tmp_path / "file").write_text("in the way")
    outcome = spear(*QUICK, f"output_root={tmp_path / 'file'}")
    assert outcome.code == 1
    assert str(tmp_path / "file") in outcome.message
    assert "Traceback" not in outcome.error


@pytest.mark.slow
def test_luck_helps_where_training_has_made_the_descent_weak(spear):
    trained = (
        "dataset=digits",
        "network=trained",
        "network.steps=500",
        "network.learning_rate=0.1",
    )
    summaries = []
    for sample in (False, True):
        spear(
            *trained, "attack=spear_irls", "batch_size=10", "n_batches=6", "attack.max_starts=70",
            f"attack.settings.sample={sample}",
        )  # fmt: skip
        newest = max(spear.output_root.rglob("summary.json"), key=lambda path: path.stat().st_mtime)
        summaries.append(json.loads(newest.read_text()))
    without, with_luck = summaries
    assert with_luck["lambda_mean"] > max(0.98, without["lambda_mean"] + 0.1)
    assert with_luck["n_exact"] > without["n_exact"]


def test_a_failing_batch_is_recorded_and_counted(spear):
    outcome = spear(*QUICK, "n_batches=3", "defense._target_=faulty.NanOnSecondBatch")
    folder = next(spear.output_root.rglob("summary.json")).parent
    summary = json.loads((folder / "summary.json").read_text())
    rows = read_rows(folder)
    assert outcome.code == 1
    assert "1 of 3 batches could not be attacked" in outcome.message
    assert [row["exact"] for row in rows] == ["True", "False", "True"]
    assert "weight_gradient has" in rows[1]["failure"]
    assert summary["failures"] == 1
    assert summary["accuracy"] == pytest.approx(2 / 3)
    # The failure enters the mean with the PSNR of the mean picture, a few dB.
    assert float(rows[1]["psnr"]) < 20
    assert summary["psnr_mean"] == pytest.approx(sum(float(r["psnr"]) for r in rows) / 3)


def test_a_zero_gradient_and_a_batch_as_large_as_the_layer_are_named(spear):
    zero = spear(*QUICK, "defense._target_=faulty.ZeroGradient")
    full = spear(*QUICK, "network.width=10", "batch_size=12")
    assert zero.code == full.code == 0
    assert "gradient of the attacked layer is zero everywhere" in zero.out
    assert "full rank" in full.out


def test_equal_images_in_a_batch_are_named(spear, tmp_path):
    folder = tmp_path / "imagenet" / "0"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (4, 40, 40, 3), dtype=np.uint8)
    for i, j in enumerate((0, 1, 2, 3, 3)):
        Image.fromarray(noise[j]).save(folder / f"{i}.png")
    outcome = spear(
        "dataset=imagenet", "dataset.resolution=32", f"data_root={tmp_path}",
        "batch_size=5", "n_batches=1",
    )  # fmt: skip
    (row,) = read_rows(next(spear.output_root.rglob("summary.json")).parent)
    assert outcome.code == 0
    assert "rank 4 but the batch has 5 inputs: some of them are equal" in outcome.out
    assert row["status"] == "exact"  # the four different images are
    assert row["exact"] == "False"


def test_a_crash_keeps_finished_files_and_leaves_its_traceback(spear):
    with pytest.raises(ZeroDivisionError):
        spear(*QUICK, "defense._target_=faulty.Crash")
    folder = next(spear.output_root.rglob("error.txt")).parent
    assert "ZeroDivisionError: a bug" in (folder / "error.txt").read_text()
    assert not (folder / "summary.json").exists()


def test_a_checkpoint_is_attacked(spear, tmp_path):
    save_file(fcnn((1, 8, 8), 10, seed=9).state_dict(), tmp_path / "net.safetensors")
    outcome = spear(*QUICK, f"network.checkpoint={tmp_path / 'net.safetensors'}")
    assert outcome.code == 0
    assert "2/2 (100%)" in outcome.out


def test_an_attack_without_a_proof_is_recorded_with_what_it_has(tmp_path, monkeypatch, capfd):
    spear = Command(tmp_path / "out", monkeypatch, capfd, pictures=True)
    quick = ("attack.iterations=150", "attack.regularisers.total_variation.weight=0.001")
    outcome = spear("dataset=digits", "attack=geiping", *quick, "batch_size=1", "n_batches=2")
    folder = next(spear.output_root.rglob("summary.json")).parent
    summary = json.loads((folder / "summary.json").read_text())
    assert outcome.code == 0
    assert [row["status"] for row in read_rows(folder)] == ["estimated"] * 2
    assert summary["attack"] == "geiping"
    assert summary["failures"] == summary["accuracy"] == 0
    assert summary["psnr_mean"] > 20
    assert summary["accuracy_recovered"] == 1
    for nothing in ("lambda_mean", "psnr_bound_mean", "gradient_median"):
        assert summary[nothing] is None
    assert summary["details_median"]["iterations"] == 150
    assert Image.open(folder / "reconstructions.png").width > 100


@pytest.mark.parametrize(
    ("attack", "knows"), [("geiping", True), ("dlg", False), ("spear_irls", False)]
)
def test_labels_are_known_only_to_attacks_that_are_given_them(spear, monkeypatch, attack, knows):
    seen = []
    monkeypatch.setattr(
        "spear.experiments.cli.run.breach",
        lambda update, attack, *_: (
            seen.append(update) or Reconstruction.empty(*update.dimensions(attack.layer), "failed"),
            "not attacked",
        ),
    )
    spear(*QUICK, f"attack={attack}")
    assert [update.labels is not None for update in seen] == [knows] * 2


def test_an_interrupted_attack_leaves_what_it_had(spear, monkeypatch):
    def interrupt(progress):
        raise KeyboardInterrupt

    monkeypatch.setattr("spear.experiments.job.job.Job.progress", property(lambda job: interrupt))
    outcome = spear(*QUICK, "attack=geiping")
    (row,) = read_rows(next(spear.output_root.rglob("reconstructions.png")).parent)
    assert outcome.code == 1
    assert "interrupted" in outcome.message
    assert row["status"] == "interrupted"
    assert not list(spear.output_root.rglob("summary.json"))


def test_terms_of_an_objective_are_checked_and_may_be_left_out(spear):
    wrong = spear(*QUICK, "attack=geiping", "attack.regularisers.total_variation.weight=much")
    assert "total_variation.weight' is 'much'; expected float" in wrong.message
    more = spear(*QUICK, "attack=geiping", "+attack.regularisers.more=1")
    assert "key 'attack.regularisers.more' has no _target_" in more.message
    less = spear(*QUICK, "attack=geiping", "attack.iterations=2", "~attack.regularisers.features")
    assert less.code == 0


def test_an_attack_on_pictures_says_so_where_there_are_none(spear, data_root):
    outcome = spear(*QUICK[:2], "dataset=adult", "attack=geiping", f"data_root={data_root}")
    assert outcome.code == 1
    assert "total variation is for images of shape C x H x W" in outcome.message


def test_an_inner_layer_is_attacked(spear):
    outcome = spear(*QUICK, "attack.layer=2")
    folder = next(spear.output_root.rglob("summary.json")).parent
    summary = json.loads((folder / "summary.json").read_text())
    assert outcome.code == 0
    assert summary["accuracy"] == 1
    assert summary["psnr_mean"] is None  # no pictures there
    assert summary["mae_mean"] < 1e-6


@pytest.mark.parametrize("dataset", ["cifar10", "tiny_imagenet", "mnist", "adult"])
@pytest.mark.few(1)
def test_real_data(spear, data_root, dataset):
    outcome = spear(f"dataset={dataset}", "batch_size=4", "n_batches=2", f"data_root={data_root}")
    summary = json.loads(next(spear.output_root.rglob("summary.json")).read_text())
    assert outcome.code == 0
    assert summary["accuracy"] == 1
    if dataset in ("cifar10", "tiny_imagenet"):
        assert summary["lpips_mean"] == pytest.approx(0, abs=1e-6)
    if dataset != "adult":
        assert summary["psnr_mean"] > 140
