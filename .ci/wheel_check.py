"""Check what `wheel_smoke.sh` has left behind.

Run by the new environment, in the folder in which the commands ran.
"""

import json
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import spear

DISTRIBUTION = "spear-suite"


def check_wheel(wheel: Path) -> None:
    """Only `spear` and its metadata lie at the top of site-packages, with licence and types."""
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert top == {"spear", f"spear_suite-{version(DISTRIBUTION)}.dist-info"}, top
    assert "spear/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def check_installation(installed: Path) -> None:
    """The wheel is what runs, and no command has written beside it."""
    package = Path(spear.__file__).parent
    assert package.is_relative_to(sys.prefix), package
    assert spear.__version__ == version(DISTRIBUTION)
    written = [
        path
        for path in package.rglob("*")
        if path.is_file()
        and path.suffix != ".pyc"
        and path.stat().st_mtime > installed.stat().st_mtime
    ]
    assert not written, written


def check_demo(folder: Path) -> None:
    """All five batches of faces are exact, and the record names the code that made them."""
    (path,) = folder.rglob("summary.json")
    for name in ("batches.csv", "config.yaml", "reconstructions.png"):
        assert (path.parent / name).stat().st_size, name
    summary = json.loads(path.read_text())
    assert (summary["n_batches"], summary["n_exact"]) == (5, 5), summary
    assert summary["dataset"] == "faces"
    assert summary["git_sha"] is None, "the commit of a repository that is not this package's"
    assert summary["git_dirty"] is None
    assert summary["versions"][DISTRIBUTION] == version(DISTRIBUTION)


if __name__ == "__main__":
    check_wheel(Path(sys.argv[1]))
    check_installation(Path(sys.argv[2]))
    check_demo(Path("outputs"))
