"""What the README shows works as it stands there."""

import re

import pytest
from PIL import Image
from support.command import Command, draw_nothing
from torch import cosine_similarity

from spear.experiments.cli.commands import SUBCOMMANDS
from spear.experiments.cli.start import CONF
from spear.scoring import match

ROOT = CONF.parent
README = (ROOT / "README.md").read_text()
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("theory/*.md")])


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_the_library_examples_recover_their_batch():
    pair, example, matching, _ = blocks("python")
    lines = [[line for line in each.splitlines() if line.strip()] for each in blocks("python")]
    assert [len(each) for each in lines] == [8, 8, 3, 6]
    names: dict = {}
    for exact in (pair, example):
        exec(exact, names)
        found, private = names["found"], names["private"]
        assert found.status == "exact"
        distances = (found.inputs[:, None] - private.double()[None]).abs().amax(dim=2)
        assert distances.min(dim=0).values.max() < 1e-5
    exec(matching, names)
    estimate = names["estimate"]
    assert estimate.status == "estimated"
    order = match(estimate.inputs, private)
    assert cosine_similarity(estimate.inputs[order], private).mean() > 0.6


def test_the_results_are_looked_at_as_it_is_shown(tmp_path, monkeypatch, capsys):
    draw_nothing(monkeypatch)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(blocks("python")[3].replace("2,4,8", "2,4"), names)
    (line,) = re.findall(r"^spear_irls (.*)$", capsys.readouterr().out, re.M)
    assert line.split() == [
        f"{each:.6f}" for each in names["frame"].groupby("batch_size")["psnr"].mean()
    ]
    (drawn,) = names["axes"].lines
    assert list(drawn.get_xdata()) == [2, 4]
    assert Image.open("psnr.png").width > 200


def test_the_first_commands_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make (\S+)", blocks("sh")[0], re.M)
    assert targets == ["demo", "test"]
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M)


@pytest.mark.parametrize(
    "line", [line for line in blocks("sh")[1].splitlines() if not line.startswith("spear --help")]
)
@pytest.mark.few(4)
def test_every_command_shown_runs(line, tmp_path, monkeypatch, capfd, request):
    arguments = line.split("#")[0].split()[1:]
    sizes = ["batch_size=2"] if not any("batch_size" in each for each in arguments) else []
    count = [] if any("n_batches" in each for each in arguments) else ["n_batches=1"]
    root = request.getfixturevalue("data_root") if "dataset=cifar10" in arguments else tmp_path
    if "experiment=batch_size" in arguments:
        arguments += ["hydra.mode=RUN"]
        sizes = ["batch_size=2"]
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    outcome = spear(*arguments, *sizes, *count, f"data_root={root}")
    assert outcome.code == 0, outcome.error


@pytest.mark.parametrize("page", [README, *PAGES], ids=["README", *(p.stem for p in PAGES)])
def test_every_path_named_exists(page):
    folder, text = (ROOT, page) if isinstance(page, str) else (page.parent, page.read_text())
    named = re.findall(
        r"`((?:spear|conf|experiments|analysis|benchmarks|tests|docs)/[\w./]*)`", text
    )
    linked = re.findall(r"\]\(([^):#]+)\)", text)
    assert named or page != README
    paths = [ROOT / path for path in named] + [folder / path for path in linked]
    assert not [path for path in paths if not path.exists()]


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", ROOT / "analysis" / "README.md", ROOT / "Makefile", *PAGES],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_every_subcommand_named_exists(page):
    named = re.findall(r"(?:^|`|/)spear ([a-z][\w-]*)(?![\w/.-]*=)", page.read_text(), re.M)
    assert set(named) <= set(SUBCOMMANDS)


@pytest.mark.parametrize(
    "page", [each for each in PAGES if each.stem != "index"], ids=lambda page: page.stem
)
def test_the_readme_leads_to_every_page(page):
    assert f"]({page.relative_to(ROOT).as_posix()})" in README
