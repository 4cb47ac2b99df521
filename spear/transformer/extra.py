"""Packages of the extra `text`, which the rest of the suite does without."""

from importlib import import_module
from types import ModuleType

from spear.errors import ConfigError


def required(package: str) -> ModuleType:
    """Import a package of the extra.

    Args:
        package: name by which it is imported, such as "transformers".

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ConfigError(
            f"{package} is not installed; expected the packages of the extra `text`: install them "
            "with pip install 'spear-suite[text]'."
        ) from None
