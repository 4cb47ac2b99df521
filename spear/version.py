"""Version of the installed distribution."""

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "spear-suite"

try:
    __version__ = version(DISTRIBUTION)
except PackageNotFoundError:  # run from a copy that nobody installed
    __version__ = "0+unknown"
