"""Columns of tables of attacks on vision transformers, which recover whole images."""

import pandas as pd

from spear.analysis.statistics.measures import duration, proven, with_deviation

HEADS = {"class_token": "class token", "mean": "mean token"}
"""`network.head` -> words for it."""


def of_whole_images(batches: pd.DataFrame) -> dict[str, str]:
    """Return what tables say of the batches of a cell, by column.

    "images right": of all of them, every pixel of all patches in their places; "proven": batches
    called `exact` that are; "PSNR [dB]": mean ± standard deviation over batches; "worst image
    [dB]": the lowest PSNR of any image; "seconds": median per batch.
    """
    return {
        "images right": f"{batches['directions_right'].sum():.0f}/{batches['batch_size'].sum()}",
        "proven": f"{proven(batches).sum()}/{len(batches)}",
        "PSNR [dB]": with_deviation(batches["psnr"]),
        "worst image [dB]": f"{batches['psnr_min'].min():.1f}",
        "seconds": duration(batches["seconds"].median()),
    }
