"""Rewrites the links of a Markdown text that moves to another folder."""

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote

LINK = re.compile(r"\]\(([^)\s]+)\)")
OTHER = re.compile(r"[a-z]+:|#")
"""Pattern of links that are not paths."""


def relinked(text: str, before: Path, after: Path) -> str:
    """Return a Markdown text with links that lead to the same files from another folder.

    Args:
        text: Markdown with links that are relative to `before`, or absolute.
        before: folder that the text is in.
        after: folder that it moves to.
    """

    def moved(link: re.Match[str]) -> str:
        return link[0] if OTHER.match(link[1]) else f"]({path_to(unquote(link[1]), before, after)})"

    return LINK.sub(moved, text)


def path_to(path: str, before: Path, after: Path) -> str:
    """Return a path relative to `before` as a link relative to `after`."""
    return linkable(os.path.relpath((before / path).resolve(), after.resolve()))


def linkable(path: str | Path) -> str:
    """Return a path as the target of a Markdown link."""
    return quote(Path(path).as_posix(), safe="/=,~+")
