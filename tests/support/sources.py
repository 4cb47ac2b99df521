"""Every source file of the package."""

import os
from pathlib import Path

import spear

ROOT = Path(spear.__file__).parent


def sources() -> dict[str, Path]:
    """Every module of the package by its dotted name; a checkout links some of its rooms."""
    found = {}
    for folder, _, names in os.walk(ROOT, followlinks=True):
        for name in names:
            if name.endswith(".py"):
                path = Path(folder, name)
                parts = path.relative_to(ROOT.parent).with_suffix("").parts
                found[".".join(parts).removesuffix(".__init__")] = path
    return found


SOURCES = sources()
