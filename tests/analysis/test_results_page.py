"""The page of all results is what its generator makes of the committed files."""

import re

import pytest

from spear.analysis.records.store import RENDERED
from spear.analysis.render.results_page import PAGE, Entry, page

FIGURES, TABLES = RENDERED / "figures", RENDERED / "tables"


def test_the_committed_page_is_up_to_date():
    assert PAGE.read_text() == page(FIGURES, TABLES), (
        "run `python -m spear.analysis.render.results_page`"
    )


def test_everything_rendered_is_on_the_page():
    text = PAGE.read_text()
    for path in FIGURES.glob("*.png"):
        assert f"](rendered/figures/{path.name})" in text
    for path in TABLES.glob("*.md"):
        assert path.read_text().strip().replace("](../../", "](") in text


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^):#]+)\)", PAGE.read_text())
    assert links
    assert not [link for link in links if not (PAGE.parent / link).exists()]


def test_a_figure_and_a_table_of_one_name_share_a_section(tmp_path):
    (tmp_path / "scaling.png").touch()
    (tmp_path / "scaling.md").write_text("| b |\n| --- |\n")
    text = page(tmp_path, tmp_path)
    assert text.count("\n## ") == 1
    assert "## Scaling" in text
    assert text.index("(rendered/figures/scaling.png)") < text.index("| b |")
    assert text.count("spear experiment=scaling\n") == 1
    assert (
        "python -m spear.analysis.figures scaling\npython -m spear.analysis.tables scaling" in text
    )


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
