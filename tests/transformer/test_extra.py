"""Packages of the extra `text`."""

import pytest

from spear.errors import ConfigError
from spear.transformer.extra import required


def test_a_missing_package_is_named_with_the_command_that_installs_it():
    with pytest.raises(ConfigError, match=r"^no_such is not installed; .*spear-suite\[text\]"):
        required("no_such")


def test_a_package_that_is_there_is_imported():
    assert required("json").loads("1") == 1
