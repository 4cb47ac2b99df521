"""The same sweep by every launcher that is installed gives the results of the serial one."""

import csv
import inspect
import os
import subprocess
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import read_write
from support.command import Command
from support.faulty import Killed, Preempted

from spear.experiments.config.schema import CONF

LAUNCHERS = {
    "joblib": "hydra_joblib_launcher",
    "submitit_local": "hydra_submitit_launcher",
    "ray": "hydra_ray_launcher",
}
SWEEP = ("-m", "dataset=digits", "n_batches=2", "batch_size=2", "seed=1,2")


def installed(plugin: str) -> bool:
    return find_spec("hydra_plugins") is not None and bool(find_spec(f"hydra_plugins.{plugin}"))


@pytest.fixture(autouse=True)
def fresh_workers():
    """joblib keeps its workers, and with them the environment of the test that started them."""
    yield
    if installed(LAUNCHERS["joblib"]):
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(kill_workers=True)


def recorded(root: Path) -> dict[str, list[dict[str, str]]]:
    """Rows of every job, without times."""
    found = {}
    for path in root.rglob("batches.csv"):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        found[path.parent.name] = [{k: v for k, v in r.items() if k != "seconds"} for r in rows]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_launcher_gives_the_results_of_the_serial_run(launcher, tmp_path, monkeypatch, capfd):
    if not installed(LAUNCHERS[launcher]):
        pytest.skip(f"{LAUNCHERS[launcher]} is not installed")
    serial = Command(tmp_path / "serial", monkeypatch, capfd)
    serial(*SWEEP)
    spear = Command(tmp_path / launcher, monkeypatch, capfd)
    outcome = spear(*SWEEP, f"hydra/launcher={launcher}")
    assert outcome.code == 0, outcome.error
    assert recorded(spear.output_root) == recorded(serial.output_root)
    assert len(recorded(spear.output_root)) == 2
    again = spear(*SWEEP, f"hydra/launcher={launcher}", "seed=1")
    assert "1 job: 1 skipped" in again.out


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A stand-in for a cluster: its commands on this machine (`slurm/`)."""
    jobs = tmp_path / "slurm"
    jobs.mkdir()
    commands = Path(__file__).parents[2] / "support" / "slurm"
    monkeypatch.setenv("SLURM_STAND_IN", str(jobs))
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["submitit_local", "submitit_slurm"])
def test_a_job_that_is_preempted_is_requeued_and_goes_on(
    launcher, slurm, tmp_path, monkeypatch, capfd
):
    pytest.importorskip("submitit")
    monkeypatch.setenv(Preempted.MARKER, str(tmp_path / "preempted"))
    sweep = (*SWEEP, "defense._target_=faulty.Preempted")
    spear = Command(tmp_path / launcher, monkeypatch, capfd)
    outcome = spear(*sweep, f"hydra/launcher={launcher}")
    assert outcome.code == 0, outcome.error
    assert "2 jobs: 2 done" in outcome.out
    logs = [path.read_text() for path in spear.output_root.rglob("job.log")]
    assert any("1 of 2 batches are there" in log for log in logs)
    serial = Command(tmp_path / "serial", monkeypatch, capfd)
    serial(*sweep)
    assert recorded(spear.output_root) == recorded(serial.output_root)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_a_job_that_the_system_kills_is_finished_by_the_same_command(
    launcher, tmp_path, monkeypatch, capfd
):
    if not installed(LAUNCHERS[launcher]):
        pytest.skip(f"{LAUNCHERS[launcher]} is not installed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv(Killed.MARKER, str(tmp_path / "killed"))
    sweep = (*SWEEP, "defense._target_=faulty.Killed")
    spear = Command(tmp_path / launcher, monkeypatch, capfd)
    stopped = spear(*sweep, f"hydra/launcher={launcher}")
    assert stopped.code == 1
    assert "the launcher gave up" in stopped.message
    assert " interrupted" in stopped.out
    assert spear(*sweep, f"hydra/launcher={launcher}").code == 0
    serial = Command(tmp_path / "serial", monkeypatch, capfd)
    serial(*sweep)
    assert recorded(spear.output_root) == recorded(serial.output_root)


WORKER = """
import multiprocessing, os, time
from spear.experiments.sweep.parent_watch import end_with_parent
def work():
    end_with_parent()
    print(os.getpid(), flush=True)
    time.sleep(600)
multiprocessing.get_context("fork").Process(target=work).start()
time.sleep(600)
"""


def test_a_worker_ends_with_a_launcher_that_was_killed():
    launcher = subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE, text=True)
    worker = psutil.Process(int(launcher.stdout.readline()))
    assert worker.is_running()
    launcher.kill()
    launcher.wait()
    end = time.monotonic() + 60
    with suppress(psutil.NoSuchProcess):
        while worker.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < end
            time.sleep(0.1)


def test_slurm_takes_every_parameter_of_its_configuration(slurm):
    submitit = pytest.importorskip("submitit")
    launcher = composed("submitit_slurm")
    own = {"submitit_folder", "max_num_timeout"}  # of the executor, not of its jobs
    shared = {"name", "timeout_min", "mem_gb", "nodes", "tasks_per_node", "cpus_per_task",
              "gpus_per_node", "stderr_to_stdout"}  # fmt: skip
    parameters = {
        name if name in shared else f"slurm_{name}": value
        for name, value in launcher.params.items()
        if name not in own
    }
    executor = submitit.AutoExecutor("jobs", cluster="slurm", slurm_max_num_timeout=100)
    executor.update_parameters(**parameters)


@pytest.mark.parametrize("launcher", ["ray", "ray_cluster"])
def test_ray_takes_every_parameter_of_its_configurations(launcher):
    ray = pytest.importorskip("ray")
    settings = composed(launcher).ray_cfg
    assert set(settings.init) <= set(inspect.signature(ray.init).parameters)
    ray.remote(**settings.remote)(composed)


def composed(launcher: str) -> Any:
    """The launcher of a configuration, as Hydra makes it."""
    if not installed(LAUNCHERS.get(launcher, f"hydra_{launcher.split('_')[0]}_launcher")):
        pytest.skip("its plugin is not installed")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [f"hydra/launcher={launcher}"], return_hydra_config=True)
    with read_write(config.hydra):
        config.hydra.sweep.dir = "sweep"
    return instantiate(config.hydra.launcher)


def test_a_launcher_that_is_not_installed_is_told_with_what_to_install(
    tmp_path, monkeypatch, capfd
):
    missing = [name for name, plugin in LAUNCHERS.items() if not installed(plugin)]
    if not missing:
        pytest.skip("every launcher is installed")
    spear = Command(tmp_path, monkeypatch, capfd)
    outcome = spear(*SWEEP, f"hydra/launcher={missing[-1]}")
    assert outcome.code == 1
    plugin = LAUNCHERS[missing[-1]].replace("_", "-")
    assert f"needs the package {plugin}, which is not installed" in outcome.message
    assert "pip install 'spear-suite[" in outcome.message
