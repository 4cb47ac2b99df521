"""The HTML report shows everything that there is, needs nothing else, and works in a browser."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
from PIL import Image
from support.command import Command, typed

from spear.analysis.overview.claims import claims
from spear.analysis.overview.panels import ALWAYS
from spear.analysis.records.results import results
from spear.analysis.records.store import JOBS, RESULTS, read_jobs
from spear.analysis.report import sections
from spear.analysis.report.experiments import description, experiments, pictures
from spear.analysis.report.markup import html
from spear.analysis.report.page import page
from spear.analysis.report.plot import chart
from spear.analysis.report.sources import Source, sources
from spear.experiments.config.experiments import experiments as prepared

pytestmark = pytest.mark.xdist_group("report")  # one process makes the page of all results

VOID = {"meta", "link", "img", "input", "br", "hr", "source"}
NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), "")


class Page(HTMLParser):
    """Reads a page and refuses elements that are not closed where they should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, {key: value or "" for key, value in attributes}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        assert tag in VOID
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, self.getpos()

    def having(self, attribute: str, tag: str = "") -> list[str]:
        """The values of an attribute, in the order of the page."""
        return [
            attributes[attribute]
            for name, attributes in self.elements
            if attribute in attributes and tag in ("", name)
        ]


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Path:
    """Run folders: a complete job, one that failed to begin with, and one whose name is markup."""
    root = tmp_path_factory.mktemp("local") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        spear = Command(root, patch, NoCapture(), pictures=True)
        assert spear("dataset=digits", "batch_size=4", "n_batches=2").code == 0
        assert spear("dataset=digits", "batch_size=8", "network.width=6", "n_batches=1").code == 0
    whole = root / "main" / "batch_size=4,dataset=digits,n_batches=2"
    shutil.copytree(whole, root / "main" / "<b>&")
    (root / "main" / "begun").mkdir()
    (root / "main" / "begun" / "job.log").touch()
    return root


class NoCapture:
    """Stands in for pytest's capture, which a fixture of a module cannot have."""

    def readouterr(self):
        return type("Captured", (), {"out": "", "err": ""})


@pytest.fixture(scope="module", params=["own", pytest.param("all", marks=pytest.mark.slow)])
def text(local, request) -> str:
    """The page of run folders, and that of all committed results besides."""
    return page(sources([local] if request.param == "own" else [RESULTS, local]), 2)


@pytest.fixture(scope="module")
def parsed(text) -> Page:
    return Page(text)


def test_nothing_is_outside_the_page(text, parsed):
    for address in parsed.having("src") + parsed.having("href"):
        assert address.startswith(("data:", "#")), address[:80]
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = (a for _, a in parsed.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"].startswith("default-src 'none'; img-src data:;")  # the browser's word
    assert len(text) < 15e6


@pytest.mark.slow
@pytest.mark.parametrize("text", ["all"], indirect=True)
def test_links_lead_somewhere_and_places_are_unique(parsed):
    places = parsed.having("id")
    assert len(places) == len(set(places))
    assert {link[1:] for link in parsed.having("href", "a")} <= set(places)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["all"], indirect=True)
def test_every_experiment_and_every_job_is_there(text, parsed, local):
    shown = Counter(parsed.having("data-experiments", "details"))
    committed = {path.parent.name for path in RESULTS.rglob(JOBS)}
    assert shown == Counter([*committed, "main"])
    jobs = sum(len(read_jobs(path.parent)) for path in RESULTS.rglob(JOBS))
    assert text.count('<td class="job">') == jobs + 3
    for name in set(prepared()) - committed:
        assert f"<code>spear experiment={name}</code>" in text


def test_jobs_of_one_experiment_in_several_folders_are_all_there(local, tmp_path):
    whole = local / "main" / "batch_size=4,dataset=digits,n_batches=2"
    for place in ("main/a", "rng/main/a", "rng/main/b", "glob/main/a", "mixed/one", "mixed/two"):
        shutil.copytree(whole, tmp_path / place)
    path = tmp_path / "mixed" / "two" / "summary.json"
    path.write_text(path.read_text().replace('"main"', '"mine"', 1))
    shutil.copytree(local / "main" / "batch_size=8,dataset=digits,n_batches=1,network.width=6",
                    tmp_path / "rng" / "main" / "failed")  # fmt: skip
    (tmp_path / "rng" / "main" / "failed" / "summary.json").unlink()
    source = Source("own", tmp_path)
    shown = {each.name: [job.name for job in each.jobs] for each in experiments(source)}
    recorded = len(list(tmp_path.rglob("summary.json")))
    assert sum(map(len, shown.values())) == recorded == 6
    assert sorted(shown["main"]) == [
        "glob/main/a", "main/a", "mixed/one", "rng/main/a", "rng/main/b",
    ]  # fmt: skip
    assert shown["mine"] == ["two"]
    assert {k: len(v) for k, v in source.experiments["main"].rows().items()} == dict.fromkeys(
        shown["main"], 2
    )
    assert page([source], 0).count('<td class="job">') == recorded


def test_a_job_that_is_not_complete_is_listed_with_its_reason(local):
    (tmp,) = [local / "main" / "begun"]
    (tmp / "status.json").write_text(
        json.dumps(
            {"outcome": "failed", "reason": "no <data>", "key": "", "parts": {}, "batches": []}
        )
    )
    text = page([Source("own", local)], 0)
    assert f"<code>{tmp}</code> failed: no &lt;data&gt;</li>" in text


@pytest.mark.slow
@pytest.mark.parametrize("text", ["all"], indirect=True)
def test_every_value_of_the_papers_tables_stands_beside_ours(text):
    found = claims(RESULTS)
    start = text.index('class="card" data-claims>')
    table = text[start : text.index("</article>", start)]
    rows = re.findall(r'<td class="verdict (\w+)">', table)
    verdicts = pd.concat([found["reproduced"], found["ours"]]).replace("", None).dropna()
    assert Counter(rows) == Counter(verdicts)
    assert table.count('class="score"') == found["table"].nunique()
    for kind in ("reproduced", "ours"):
        for verdict, n in found[kind].value_counts().items():
            assert not verdict or f'<b class="{verdict}">{n}</b>' in text


@pytest.mark.slow
@pytest.mark.parametrize("text", ["all"], indirect=True)
def test_local_jobs_are_told_from_committed_ones(text, parsed, local):
    assert set(parsed.having("data-source")) == {"committed", str(local)}
    assert f'<span class="pill local">{local}</span>' in text
    assert f"<code>{local / 'main' / 'begun'}</code>" in text
    assert '<span class="pill worse">1 failure</span>' in text
    assert "&lt;b&gt;&amp;" in text  # a name is text
    left = len(list(RESULTS.rglob("*.jpg"))) - 2 + 1  # 2 of the committed, 2 of 3 local ones
    assert f"{left} more are in the run folders" in text


def test_a_sweep_with_too_few_jobs_is_no_error_where_it_is_local(tmp_path):
    (tmp_path / "figures10_13").mkdir()
    jobs = read_jobs(RESULTS / "figures10_13")
    name = "first_batch=2"
    shutil.copy(RESULTS / "figures10_13" / f"{name}.jpg", tmp_path / "figures10_13")
    # As version 0.1 wrote it, which users may have.
    (tmp_path / "figures10_13" / JOBS).write_text(json.dumps({name: jobs[name]}))
    header, *rows = (RESULTS / "figures10_13" / "batches.csv").read_text().splitlines()
    row = next(row for row in rows if row.startswith(name))
    (tmp_path / "figures10_13" / "batches.csv").write_text(f"{header}\n{row}\n")
    assert "has too few jobs to show" in page(sources([tmp_path]), 0)


def test_every_experiment_has_a_picture_before_any_has_two(tmp_path):
    class Recorded:
        def __init__(self, *names: str) -> None:
            self.pictures = {name: tmp_path / name for name in names}

    source = Source("local", tmp_path)
    vars(source)["experiments"] = {"a": Recorded("1", "2", "3"), "b": Recorded("4")}
    for name in "1234":
        (tmp_path / name).touch()
    found, left = pictures(source, 3)
    assert [picture.job for picture in found] == ["1", "4", "2"]
    assert left == 1


def test_bars_are_shares_and_logarithms(local):
    (main,) = experiments(Source("local", local))
    assert {panel.key for panel in main.panels} == set(ALWAYS)
    accuracy = {job.name: job.values[0].share for job in main.jobs}
    assert sorted(accuracy.values()) == [0.0, 1.0, 1.0]  # of one, not of the largest
    seconds = [(job.summary["seconds_median"], job.values[2].share) for job in main.jobs]
    assert max(share for _, share in seconds) == 1.0
    assert [value for value, _ in sorted(seconds)] == [
        value for value, _ in sorted(seconds, key=lambda each: each[1])
    ]


def test_markdown_becomes_marked_html_with_its_pictures_inside(tmp_path):
    Image.new("RGB", (3, 2), "red").save(tmp_path / "a=b.png")
    rows = [
        "| x | ours | y |",
        "| --- | --- | --- |",
        f"| ![it]({tmp_path}/a=b.png) | 1.5 dB | worse |",
    ]
    made = html("\n".join([*rows, "| `z` | - | b |"]))
    assert '<td class="verdict worse">worse</td>' in made
    assert '<th class="number">ours</th>' in made
    (picture,) = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', made)
    assert Image.open(BytesIO(base64.b64decode(picture))).size == (3, 2)
    assert "&lt;script&gt;" in html("<script>")


def test_common_words_are_verdicts_in_their_own_column_alone():
    made = html("| bias | reproduced |\n| --- | --- |\n| no | no |\n")
    assert made.count('<td class="verdict no">no</td>') == 1


def test_an_experiment_says_what_it_is_about():
    assert description("table11").startswith("Table 11: FedAvg, 5 local epochs")
    assert description("colours") == ""


def test_the_command_writes_the_page(local, tmp_path, monkeypatch, capsys):
    target = tmp_path / "deep" / "page.html"
    assert run(monkeypatch, capsys, "--results", local, "--to", target) == (0, f"{target}\n")
    Page(target.read_text())


def test_what_cannot_be_reported_is_said_in_one_sentence(local, tmp_path, monkeypatch, capsys):
    code, said = run(monkeypatch, capsys, "--results", tmp_path)
    assert code == 1
    assert said == f"spear report: there is no complete job in {tmp_path}; run one first."
    (tmp_path / "file").touch()
    code, said = run(monkeypatch, capsys, "--results", local, "--to", tmp_path / "file" / "x")
    assert code == 1
    assert re.fullmatch(r"spear report: .*/file cannot be used \(.*\)\.", said)


def run(monkeypatch, capsys, *arguments: object) -> tuple[int, str]:
    said = typed(monkeypatch, capsys, "spear", "report", *arguments)
    return said.code, said.error


FILTERS = """
choose("experiment", "table11");
const cards = visible().map((card) => card.id).sort().join();
check("one table and its figure", cards === "figure-table11,table-table11");
const jobs = all("details.experiment").filter((each) => !each.hidden);
check("its jobs are open", jobs.length === 1 && jobs[0].open);
choose("experiment", "");
all("[value=worse]")[0].click();
check("worse", visible().length > 0 && visible().length < everything);
check("rows", all("td.verdict").filter((each) => each.checkVisibility()).length > 0);
check("claims", all("[data-claims] tbody tr").filter((row) => !row.hidden).length === WORSE);
all("[value=worse]")[0].click();
check("all again", visible().length === everything);
choose("text", "dp-sgd");
check("text", visible().length > 0 && visible().length < everything);
choose("text", "");
"""
"""Checks of a page with committed results: a page of run folders alone has no tables to choose."""

PROBE = """
const failed = [];
const check = (what, is) => { if (!is) failed.push(what); };
const visible = () => all("article[data-experiments]").filter((card) => !card.hidden);
const choose = (name, value) => { filters.elements[name].value = value; filter(); };
const everything = visible().length;
const wide = all("body *").filter((each) => !each.closest(".scroll, pre, dialog")
  && each.getBoundingClientRect().right > innerWidth).map((each) => each.outerHTML.slice(0, 80));
check(`too wide: ${wide}`, wide.length === 0);
FILTERS
const heading = all("details.experiment th")[4];
heading.click(); heading.click();
check("sorted", heading.getAttribute("aria-sort") === "descending");
all(".card img")[0].click();
check("zoomed", viewer.open && picture.src === all(".card img")[0].src);
viewer.close();
document.body.dataset.failed = JSON.stringify(failed);
"""


@pytest.mark.skipif(not BROWSER, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [1440, 500])
def test_it_works_in_a_browser_without_complaint(text, tmp_path, width):
    worse = int((claims(RESULTS)["ours"] == "worse").sum())
    filters = FILTERS.replace("WORSE", str(worse)) if "table-table11" in text else ""
    probe = f"<script>{PROBE.replace('FILTERS', filters)}</script></body>"
    (tmp_path / "page.html").write_text(text.replace("</body>", probe))
    done = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900", "--dump-dom",
            f"file://{quote(str(tmp_path / 'page.html'))}",
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    (failed,) = re.findall(r'<body data-failed="([^"]*)"', done.stdout)
    assert failed == "[]"


def test_own_jobs_are_charted_with_the_means_of_their_batches(local):
    data = chart(sources([local, RESULTS]))
    assert data is not None
    batches = results(local)
    means = batches[batches["batch"].notna()].groupby("job")["psnr"].mean()
    assert {row["name"]: row["values"]["psnr"] for row in data["rows"]} == pytest.approx(
        means.dropna().to_dict()
    )
    assert {row["n"] for row in data["rows"]} == {1, 2}
    one = next(row for row in data["rows"] if row["n"] == 1)
    assert set(one["halves"].values()) == {None}  # a batch alone has no interval
    assert {"batch_size", "network.width"} <= {*data["columns"]}
    assert {row["keys"]["batch_size"] for row in data["rows"]} == {4.0, 8.0}
    json.dumps(data, allow_nan=False)  # as the page holds it


def test_a_committed_figure_is_shown_as_it_is_unless_its_records_are_newer(tmp_path, monkeypatch):
    monkeypatch.setattr(sections, "RESULTS", tmp_path)
    figure, records = tmp_path / "figure4.png", tmp_path / "figure4" / JOBS
    assert not sections.is_current(figure, ["figure4"])
    records.parent.mkdir()
    for path in (figure, records):
        path.touch()
    for newer, current in ((sections.CHECKOUT / 2, True), (2 * sections.CHECKOUT, False)):
        time = figure.stat().st_mtime + newer
        os.utime(records, (time, time))
        assert sections.is_current(figure, ["figure4", "an experiment without records"]) == current


def test_committed_results_alone_have_no_chart():
    assert chart([Source("committed", RESULTS)]) is None


def test_the_chart_cannot_be_left_by_the_name_of_a_job(local):
    text = page(sources([local]), 0)
    held = text.partition('id="plot-data">')[2].partition("</script>")[0]
    assert any("<b>&" in row["name"] for row in json.loads(held)["rows"])
    assert "<b>&" not in held
