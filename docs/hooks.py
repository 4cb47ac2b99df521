"""Hooks of the documentation site.

Files of the repository that pages link to become part of the site: a link of `docs/sweeps.md` to
`../results/RESULTS.md` works in the repository, and on the site that file lies at
`results/RESULTS.md`, with the files that it links to.

A line `::: spear.data.*` documents every public module of that package, one after the other.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
DOCS = "docs"
FRONT, START = "README.md", "index.md"
"""The repository's front page, and its place on the site."""
LINK = re.compile(r"(\]\()([^)\s#]+)([)#])")
"""A Markdown link or image: its opening, its target, what follows."""
ROOM = re.compile(r"^::: ([\w.]+)\.\*$", re.MULTILINE)
"""The line that stands for all modules of a package."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add each file outside of `docs/` that a page in the navigation is or leads to."""
    waiting = [file.src_uri for file in files.documentation_pages()]
    waiting += [uri for uri in _named(config.nav) if files.get_file_from_path(uri) is None]
    seen = set()
    while waiting:
        uri = waiting.pop()
        if uri in seen:
            continue
        seen.add(uri)
        source = ROOT / repository_path(uri)
        if files.get_file_from_path(uri) is None and source.is_file():
            files.append(File.generated(config, uri, abs_src_path=str(source)))
        if source.suffix == ".md" and source.is_file():
            waiting += [site_path(path) for path in linked(source)]
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Lead links out of `docs/` and back into it to their places on the site; list modules."""
    uri = page.file.src_uri
    folder = posixpath.dirname(repository_path(uri))

    def moved(match: re.Match[str]) -> str:
        opening, target, end = match.groups()
        if ":" in target:
            return match.group()
        path = site_path(posixpath.normpath(posixpath.join(folder, target)))
        return opening + posixpath.relpath(path, posixpath.dirname(uri) or ".") + end

    return ROOM.sub(lambda match: modules(match[1]), LINK.sub(moved, markdown))


def modules(package: str) -> str:
    """One line of mkdocstrings for each public module of a package, by name.

    Raises:
        FileNotFoundError: there is no such package.
    """
    folder = ROOT.joinpath(*package.split("."))
    if not (folder / "__init__.py").is_file():
        raise FileNotFoundError(f"{package} is not a package; correct the page that names it.")
    names = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    return "\n\n".join(f"::: {package}.{name}" for name in names)


def linked(source: Path) -> list[str]:
    """Files of the repository to which a Markdown file links, from the root."""
    folder = source.parent.relative_to(ROOT).as_posix()
    targets = [target for _, target, _ in LINK.findall(source.read_text()) if ":" not in target]
    paths = [posixpath.normpath(posixpath.join(folder, target)) for target in targets]
    return [path for path in paths if (ROOT / path).is_file()]


def site_path(path: str) -> str:
    """Place on the site of a file of the repository; both are relative to their roots."""
    return START if path == FRONT else path.removeprefix(f"{DOCS}/")


def repository_path(uri: str) -> str:
    """Inverse of `site_path`."""
    if uri == START:
        return FRONT
    return f"{DOCS}/{uri}" if (ROOT / DOCS / uri).is_file() else uri


def _named(nav: object) -> list[str]:
    """Every path in a navigation."""
    if isinstance(nav, str):
        return [nav]
    if isinstance(nav, dict):
        return [path for each in nav.values() for path in _named(each)]
    return [path for each in nav for path in _named(each)] if isinstance(nav, list) else []
