"""The hardware that batches were measured on, in words."""

import re

import pandas as pd


def chips(batches: pd.DataFrame) -> list[str]:
    """Return the names of the processors and graphics cards, as recorded, sorted."""
    found = batches["hardware.cpu"]
    if "hardware.gpu" in batches:
        found = found.mask(batches["device"] == "cuda", batches["hardware.gpu"])
    return sorted(found.unique())


def threads(batches: pd.DataFrame) -> str:
    """Return the numbers of CPU threads: "1 thread", "1/2 threads"."""
    numbers = "/".join(str(each) for each in sorted(batches["hardware.threads"].unique()))
    return f"{numbers} thread{'s' * (numbers != '1')}"


def place(batches: pd.DataFrame) -> str:
    """Return the hardware in short: "AMD EPYC, 1 thread", "NVIDIA H100"; "" if none is recorded."""
    if "hardware.cpu" not in batches or batches.empty:
        return ""
    names = [re.sub(r"\(R\)| Processor", "", each) for each in chips(batches)]
    on_gpu = (batches["device"] == "cuda").all()
    return " or ".join(names) + ("" if on_gpu else f", {threads(batches)}")
