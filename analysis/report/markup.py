"""Conversion to HTML that refers to nothing outside the page."""

import base64
import mimetypes
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import matplotlib as mpl
from markdown_it import MarkdownIt
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

VERDICTS = {
    "yes": "reproduced",
    "exceeded": "exceeded",
    "no": "not reproduced",
    "better": "ours better",
    "equal": "ours equal",
    "worse": "ours worse",
    "undecided": "undecided",
}
"""Verdicts of `spear.analysis.paper.verdicts` -> their names, in the order of the page."""

COMMON = ("yes", "no")
"""Verdicts that are such in the column `reproduced` alone; other tables have these words, too."""

MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def is_verdict(text: str, title: str) -> bool:
    """Return whether a cell below a title is a verdict."""
    return text in VERDICTS and (text not in COMMON or title == "reproduced")


def html(markdown: str) -> Markup:
    """Return Markdown as HTML, with pictures inside and with cells marked for style and script.

    Args:
        markdown: text with absolute links.
    """
    tokens = MARKDOWN.parse(markdown)
    headings = [token for token in tokens if token.type == "th_open"]
    cells = [k for k, token in enumerate(tokens) if token.type == "td_open"]
    titles = [tokens[k + 1].content for k, token in enumerate(tokens) if token in headings]
    for place, k in enumerate(cells):
        text = tokens[k + 1].content
        if is_verdict(text, titles[place % len(titles)]):
            tokens[k].attrSet("class", f"verdict {text}")
        elif text[:1].isdigit() or text[:1] == "-":
            for token in (tokens[k], headings[place % len(headings)]):
                token.attrSet("class", "number")
    for token in tokens:
        for child in token.children or ():
            if child.type == "image":
                child.attrSet("src", data_uri(Path(unquote(str(child.attrs["src"])))))
    return Markup(MARKDOWN.renderer.render(tokens, MARKDOWN.options, {}))


def data_uri(picture: Path) -> str:
    """Return a picture file as a data address; converted to JPEG, less than half of a PNG."""
    content = picture.read_bytes()
    if mimetypes.guess_type(picture)[0] != "image/jpeg":
        file = BytesIO()
        Image.open(picture).convert("RGB").save(file, "jpeg", quality=85, optimize=True)
        content = file.getvalue()
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def png_uri(picture: Path) -> str:
    """Return a PNG file as a data address, as it is: lines and letters suffer as JPEG."""
    return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"


def drawing(figure: Figure) -> str:
    """Return a figure as the data address of an SVG; the same bytes every time."""
    file = BytesIO()
    with mpl.rc_context({"svg.hashsalt": "spear"}):  # names that do not change
        figure.savefig(file, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode()}"
