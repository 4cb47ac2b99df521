"""What a configuration, a file or a record from elsewhere must not do."""

import pickle

import pytest
import wandb
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from support.command import Command, draw_nothing

from spear.errors import CheckpointError, ConfigError
from spear.experiments.config.build import check
from spear.experiments.config.schema import CONF
from spear.experiments.config.targets import check_targets
from spear.experiments.record.files import write_text
from spear.experiments.record.redaction import redacted
from spear.networks import read_state_dict

KEY = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def spear(tmp_path, monkeypatch, capfd):
    draw_nothing(monkeypatch)
    return Command(tmp_path / "out", monkeypatch, capfd)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.run",
        "torch.load",
        "torch.hub.load",
        "spear.experiments.job.provenance.subprocess.run",  # reached through a module of ours
        "spear.experiments.job.key.find",
        "speargun.Attack",
    ],
)
def test_a_target_outside_the_allowed_packages_is_refused(target, tmp_path):
    nodes = {
        "itself": {"_target_": target},
        "inside": {"_target_": "spear.client.defenses.NoDefense", "inner": {"_target_": target}},
        "in a list": {
            "_target_": "spear.client.defenses.NoDefense",
            "a": [{"b": {"_target_": target}}],
        },
    }
    for node in nodes.values():
        with pytest.raises((ConfigError, ImportError, ValueError)) as caught:
            check_targets(OmegaConf.create(node), "defense")
        if target != "spear.experiments.job.key.find":
            assert isinstance(caught.value, ConfigError)
            assert "not in the packages" in str(caught.value)


def test_nothing_of_a_refused_configuration_is_imported(tmp_path, monkeypatch, spear):
    marker = tmp_path / "ran"
    (tmp_path / "stranger.py").write_text(f"open({str(marker)!r}, 'w')\nclass A: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    quick = ("dataset=digits", "batch_size=2", "n_batches=1")
    outcome = spear(*quick, "defense._target_=stranger.A")
    assert outcome.code == 1
    assert "SPEAR_PACKAGES" in outcome.message
    assert not marker.exists()


def test_a_user_allows_packages_of_their_own(monkeypatch):
    node = OmegaConf.create({"_target_": "faulty.Crash"})
    with pytest.raises(ConfigError, match=r"faulty\.Crash"):
        check(node, "defense")
    monkeypatch.setenv("SPEAR_PACKAGES", "another, faulty")
    check(node, "defense")


def test_a_configuration_cannot_pass_arguments_by_place_or_allow_itself():
    for key in ("_args_", "_partial_", "_recursive_"):
        node = OmegaConf.create({"_target_": "spear.client.defenses.NoDefense", key: ["x"]})
        with pytest.raises(ConfigError, match=key):
            check(node, "defense")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config")
    assert "packages" not in str(OmegaConf.to_yaml(config)).lower()


def test_a_checkpoint_that_runs_code_is_refused(tmp_path):
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return open, (str(marker), "w")

    (tmp_path / "net.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError):
        read_state_dict(tmp_path / "net.pt")
    assert not marker.exists()


def test_no_pickle_is_loaded_unguarded():
    """`torch.load` is asked for weights only, and CIFAR-10's unpickler admits arrays only."""
    pickles = ("pickle.load", "Unpickler(", "joblib.load", "allow_pickle=True", "import dill")
    for package in ("spear", "experiments", "analysis"):
        for path in (CONF.parent / package).rglob("*.py"):
            source = path.read_text()
            found = [each for each in pickles if each in source]
            assert not found or path.name == "cifar10.py", (path, found)
            assert source.count("torch.load(") == source.count("weights_only=True"), path


def test_credentials_reach_no_record(spear, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("MY_SECRET", "a long secret phrase")
    quick = ("dataset=digits", "batch_size=2", "n_batches=1")
    spear(*quick, "defense._target_=faulty.Tells", tracking="offline")
    spear(*quick, "seed=1", "+extra_api_key=" + KEY)
    files = [path for path in spear.output_root.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in files)
    for path in files:
        assert KEY.encode() not in path.read_bytes(), path
    wandb.teardown()  # or it keeps the key for other tests
    told = next(spear.output_root.rglob("*Tells*/error.txt")).read_text()
    assert "your key is ***" in told


def test_redaction_hides_values_and_assignments_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefgh")
    monkeypatch.setenv("SHORT_TOKEN", "exact")
    write_text(tmp_path / "a.txt", "exact hf_abcdefgh, tokens: 5, wandb_api_key=x, keys=3")
    hidden = "exact ***, tokens: 5, wandb_api_key=***, keys=3"
    assert (tmp_path / "a.txt").read_text() == redacted(hidden) == hidden
