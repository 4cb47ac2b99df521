"""What README and the guides show works as it stands there."""

import re
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from support.command import Command, draw_nothing, typed

from spear.analysis.records.store import RESULTS
from spear.experiments.cli.commands import SUBCOMMANDS
from spear.experiments.cli.start import CONF

ROOT = CONF.parent
FRONT = ROOT / "README.md"
README = FRONT.read_text()
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("theory/*.md")])
KEYS, SWEEPS = (DOCS / name for name in ("configuration.md", "sweeps.md"))

ELSEWHERE = {
    "git clone REPOSITORY spear && cd spear": ".github/workflows/tests.yml",
    "make demo": "Makefile",
    "source .venv/bin/activate": "Makefile",
    "wandb sync outputs/mine/*/wandb": "tests/experiments/tracking/test_wandb_sync.py",
    "spear workspaces publish --group mine": "tests/analysis/test_workspaces.py",
}
"""Lines of README that nothing here runs, and what does, or stands for it."""

SLOW = ("claims", "report")
"""Subcommands that read all committed records."""


def blocks(language: str, page: Path = FRONT) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.S)


def lines(page: Path) -> list[str]:
    """Commands of a page without their comments."""
    found = "".join(blocks("sh", page)).splitlines()
    return [line.split(" #")[0].strip() for line in found if line.strip()]


def jobs(page: Path) -> list[str]:
    """Those that run jobs."""
    spear = [line for line in lines(page) if line.split()[0] == "spear"]
    return [line for line in spear if subcommand(line) is None and "--help" not in line]


def subcommand(line: str) -> str | None:
    words = line.split()
    return words[1] if words[0] == "spear" and words[1:] and words[1] in SUBCOMMANDS else None


OTHERS = [line for line in lines(FRONT) if line not in (*jobs(FRONT), *ELSEWHERE)]


def test_the_readme_fits_a_screen_or_two():
    assert len(README.splitlines()) <= 150


def test_the_library_example_recovers_its_batch():
    example, _ = blocks("python")
    assert len([line for line in example.splitlines() if line.strip()]) == 8
    names: dict = {}
    exec(example, names)
    found, private = names["found"], names["private"]
    assert found.status == "exact"
    distances = (found.inputs[:, None] - private.double()[None]).abs().amax(dim=2)
    assert distances.min(dim=0).values.max() < 1e-5


def test_the_results_are_looked_at_as_it_is_shown(tmp_path, monkeypatch, capsys):
    draw_nothing(monkeypatch)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(blocks("python")[1].replace("2,4,8", "2,4"), names)
    (line,) = re.findall(r"^spear_auto (.*)$", capsys.readouterr().out, re.M)
    assert line.split() == [
        f"{each:.6f}" for each in names["frame"].groupby("batch_size")["psnr"].mean()
    ]
    (drawn,) = names["axes"].lines
    assert list(drawn.get_xdata()) == [2, 4]
    assert Image.open("psnr.png").width > 200


def test_lines_that_nothing_here_runs_are_run_elsewhere():
    assert set(ELSEWHERE) <= set(lines(FRONT))
    assert all((ROOT / path).is_file() for path in ELSEWHERE.values())
    assert re.search(r"^demo:", (ROOT / "Makefile").read_text(), re.M)


@pytest.mark.parametrize("line", [*jobs(FRONT), *jobs(KEYS)])
@pytest.mark.few(5)
def test_every_job_shown_runs(line, tmp_path, monkeypatch, capfd, request):
    arguments = [each for each in line.split()[1:] if not each.startswith("n_batches")]
    small = [] if "batch_size" in line or "experiment" in line else ["batch_size=2"]
    needs_data = "dataset=cifar10" in arguments or "experiment=table8" in arguments
    root = request.getfixturevalue("data_root") if needs_data else tmp_path
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    outcome = spear(*arguments, *small, "n_batches=1", f"data_root={root}")
    assert outcome.code == 0, outcome.error


@pytest.mark.slow
def test_the_first_job_ends_as_it_is_shown(tmp_path, monkeypatch, capfd):
    """PSNR to 1 dB, as the digits depend on the machine; all but the time is compared."""
    shown, found = (
        [each.strip() for each in re.search(r"│ +all │(.*)│", text)[1].split("│")]
        for text in (FRONT.read_text(), Command(tmp_path, monkeypatch, capfd)().out)
    )
    assert float(found[0].split()[0]) == pytest.approx(float(shown[0].split()[0]), abs=1.0)
    assert found[1:4] == shown[1:4]
    assert found[-1] == shown[-1]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with all that the commands of README name."""
    shutil.copytree(RESULTS / "table8", tmp_path / "outputs" / "table8")
    shutil.copytree(RESULTS / "enough_noise", tmp_path / "outputs" / "mine")
    (tmp_path / "mymodels.py").write_text(
        "from torch import nn\n\n\ndef mlp():\n"
        "    return nn.Sequential(nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, 10))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    from mymodels import mlp

    model = mlp()
    torch.nn.functional.cross_entropy(model(torch.randn(4, 64)), torch.arange(4)).backward()
    torch.save(model.state_dict(), "before.pt")
    torch.save({name: each.grad for name, each in model.named_parameters()}, "gradients.pt")
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [pytest.param(x, marks=[pytest.mark.slow] * (subcommand(x) in SLOW)) for x in OTHERS],
)
def test_every_subcommand_shown_runs(line, place, monkeypatch, capfd):
    outcome = typed(monkeypatch, capfd, *line.split())
    assert outcome.out or outcome.error  # the report names its file as a note
    leaks = "--fail-on exact" in line
    assert outcome.code == (3 if leaks else 0), outcome.error
    assert (place / "audit.html").is_file() == leaks


def test_the_worked_example_of_a_sweep_runs(tmp_path, monkeypatch, capfd):
    draw_nothing(monkeypatch)
    monkeypatch.chdir(tmp_path)
    plan, sweep = (line for line in lines(SWEEPS)[:2])
    small = [each for each in sweep.split() if each != "seed=1,2"]
    small = [each.replace("1e-5,1e-4", "1e-5").replace("4,8", "2,3") for each in small]
    assert plan.split()[3:] == sweep.split()[3:]
    outcome = typed(monkeypatch, capfd, *small, "tracking=off", "n_batches=1")
    assert outcome.code == 0, outcome.error
    (shown,) = (each for each in blocks("text", SWEEPS) if "noise_std" in each)
    header = [*shown.splitlines()[0].replace(" seed", "").split(), "seconds", "outcome"]
    assert header in [re.sub("[│┃]", " ", line).split() for line in outcome.out.splitlines()]
    names: dict = {}
    exec(blocks("python", SWEEPS)[0], names)
    assert len(names["axes"].lines) == 2
    assert Image.open("noise.png").width > 200


@pytest.mark.parametrize("page", [FRONT, *PAGES], ids=lambda page: page.stem)
def test_every_path_named_exists(page):
    text = page.read_text()
    named = re.findall(
        r"`((?:spear|conf|experiments|analysis|benchmarks|tests|docs)/[\w./]*)`", text
    )
    linked = re.findall(r"\]\(([^):#]+)\)", text)
    assert linked or page != FRONT
    paths = [ROOT / path for path in named] + [page.parent / path for path in linked]
    assert not [path for path in paths if not path.exists()]


@pytest.mark.parametrize(
    "page",
    [FRONT, ROOT / "analysis" / "README.md", ROOT / "Makefile", *PAGES],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_every_subcommand_named_exists(page):
    named = re.findall(r"(?:^|`|/)spear ([a-z][\w-]*)(?![\w/.-]*=)", page.read_text(), re.M)
    assert set(named) <= set(SUBCOMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_readme_and_the_site_lead_to_every_page(page):
    assert f"]({page.relative_to(ROOT).as_posix()})" in README
    assert f"- {page.relative_to(DOCS).as_posix()}\n" in (ROOT / "mkdocs.yml").read_text()


def test_the_checkout_is_linked_by_its_path():
    """By a finder, Python started beside a clone named spear takes the clone for the package."""
    makefile = (ROOT / "Makefile").read_text()
    assert "--config-settings editable_mode=compat --editable ." in makefile
