"""The same sweep by every launcher that is installed gives the results of the serial one."""

import csv
from importlib.util import find_spec
from pathlib import Path

import pytest
from command import Command

LAUNCHERS = {
    "joblib": "hydra_joblib_launcher",
    "submitit_local": "hydra_submitit_launcher",
    "ray": "hydra_ray_launcher",
}
SWEEP = ("-m", "dataset=digits", "n_batches=2", "batch_size=2", "seed=1,2")


def installed(plugin: str) -> bool:
    return find_spec("hydra_plugins") is not None and bool(find_spec(f"hydra_plugins.{plugin}"))


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
    assert "1 jobs: 1 skipped" in again.out


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
    assert f"{plugin}, is not installed" in outcome.message
    assert "pip install 'spear-suite[" in outcome.message
