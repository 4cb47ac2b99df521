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


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of the real data sets; tests that need it are skipped where it is not set."""
    root = os.environ.get("SPEAR_DATA")
    if not root:
        pytest.skip("SPEAR_DATA is not set; it names the folder of the data sets")
    return Path(root)
