"""Links of a Markdown text that moves from folder to folder."""

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote

LINK = re.compile(r"\]\(([^)\s]+)\)")
OTHER = re.compile(r"[a-z]+:|#")
"""Links that are no paths."""


def relinked(text: str, before: Path, after: Path) -> str:
    """Return a Markdown text whose links lead to the same files from another folder.

    Args:
        text: with links that are relative to `before`, or absolute.
        before: folder.
        after: folder.
    """

    def moved(link: re.Match[str]) -> str:
        return link[0] if OTHER.match(link[1]) else f"]({path_to(unquote(link[1]), before, after)})"

    return LINK.sub(moved, text)


def path_to(path: str, before: Path, after: Path) -> str:
    """Return a path that is relative to `before` as a link relative to `after`."""
    return linkable(os.path.relpath((before / path).resolve(), after.resolve()))


def linkable(path: str | Path) -> str:
    """Return a path as the target of a Markdown link."""
    return quote(Path(path).as_posix(), safe="/=,~+")
