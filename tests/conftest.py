"""What all tests share: one thread, the same examples every time, and where real data are."""

import os
import signal
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from support import parsed_once

parsed_once.install()

# Sums in a fixed order make results reproducible to the bit, and the matrices here are so small
# that a second thread only costs time.
torch.set_num_threads(1)

# A suite in the background inherits that interrupts are ignored, and some tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow all but n cases of a test with the marker `few(n)`, spread over its cases."""
    cases: dict[tuple[object, ...], list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("few"):
            cases.setdefault((item.path, item.nodeid.partition("[")[0]), []).append(item)
    for same in cases.values():
        (n,) = same[0].get_closest_marker("few").args
        kept = {len(same) * k // n for k in range(n)}
        for k, item in enumerate(same):
            if k not in kept:
                item.add_marker("slow")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of the real data sets; tests that need it are skipped where it is not set."""
    root = os.environ.get("SPEAR_DATA")
    if not root:
        pytest.skip("SPEAR_DATA is not set; it names the folder of the data sets")
    return Path(root)
