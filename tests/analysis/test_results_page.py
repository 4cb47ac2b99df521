"""The page of all results is what its generator makes of the committed files."""

import re

import pytest

from spear.analysis.overview import commands, results_page
from spear.analysis.overview.results_page import Entry, page
from spear.analysis.records.store import RENDERED, RESULTS

COMMITTED = RESULTS / RENDERED
PAGE = RESULTS / results_page.PAGE


def test_the_committed_page_is_up_to_date():
    assert PAGE.read_text() == page([COMMITTED], RESULTS), "run `spear page`"


def test_everything_rendered_is_on_the_page():
    text = PAGE.read_text()
    for path in (COMMITTED / "figures").glob("*.png"):
        assert f"](rendered/figures/{path.name})" in text
    for path in (COMMITTED / "tables").glob("*.md"):
        assert path.read_text().strip().replace("](../../", "](") in text


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^):#]+)\)", PAGE.read_text())
    assert links
    assert not [link for link in links if not (PAGE.parent / link).exists()]


def test_a_figure_and_a_table_of_one_name_share_a_section(tmp_path):
    for folder in ("figures", "tables"):
        (tmp_path / folder).mkdir()
    (tmp_path / "figures" / "scaling.png").touch()
    (tmp_path / "tables" / "scaling.md").write_text("| b |\n| --- |\n")
    text = page([tmp_path], tmp_path)
    assert text.count("\n## ") == 1
    assert "## Scaling" in text
    assert text.index("(figures/scaling.png)") < text.index("| b |")
    assert text.count("spear experiment=scaling\n") == 1
    assert "spear figures scaling\nspear tables scaling" in text


def test_elsewhere_the_page_shows_own_files_first_and_then_those_of_the_package(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "results" / "rendered" / "figures"
    own.mkdir(parents=True)
    (own / "scaling.png").touch()
    commands.page([])
    assert capsys.readouterr().err == "results/RESULTS.md\n"
    text = (tmp_path / "results" / "RESULTS.md").read_text()
    links = re.findall(r"\]\(([^):#]+)\)", text)
    assert "rendered/figures/scaling.png" in links
    assert not [link for link in links if not (tmp_path / "results" / link).exists()]
    assert len(links) == len(re.findall(r"\]\(([^):#]+)\)", PAGE.read_text()))


@pytest.mark.parametrize(
    ("name", "caption", "heading"),
    [
        ("table10", "Table 10: FedAvg by local epochs.", "Table 10"),
        ("table3", "Table 3 (with the deviations of Table 7): quality.", "Table 3"),
        ("table4_trained", "Table 4 after training: layers.", "Table 4 after training"),
        ("figures10_13", "Figures 10 to 13: pictures.", "Figures 10 to 13"),
        ("appendix_b2", "Appendix B.2: submatrices.", "Appendix B.2"),
        ("exact_recovery", "The search by descent: b = 20.", "Exact recovery"),
    ],
)
def test_headings_are_the_captions_of_the_paper(name, caption, heading):
    assert Entry(name, caption).heading == heading


def test_the_paper_comes_first_and_by_number():
    captions = ["Search.", "Appendix B.2: x.", "Figure 10: x.", "Figure 3: x.", "Table 9: x."]
    captions += ["Table 10: x.", "Figures 10 to 13: x."]
    entries = sorted((Entry(each, each) for each in captions), key=lambda entry: entry.place)
    assert [entry.caption for entry in entries] == [
        "Table 9: x.",
        "Table 10: x.",
        "Figure 3: x.",
        "Figure 10: x.",
        "Figures 10 to 13: x.",
        "Appendix B.2: x.",
        "Search.",
    ]
