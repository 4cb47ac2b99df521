"""The attacks that GIFD is compared with, on the same batches."""

import pandas as pd

EXPERIMENTS = (
    "gifd",
    "gifd_batches",
    "gifd_baselines",
    "gifd_baselines_batches",
    "gifd_counted_labels",
)

ATTACKS = {
    "geiping": "gradient matching",
    "gradinversion": "GradInversion",
    "ggl": "GGL",
    "latent_search": "latents alone",
    "gias": "GIAS",
    "gifd": "GIFD",
    "gifd_counted_labels": "GIFD, counted labels",
}
"""Attack -> its name, by what it searches: images, latents, and more than latents."""

WITH_GENERATOR = ("ggl", "latent_search", "gias", "gifd", "gifd_counted_labels")

ITERATIONS = 400
"""Of the attacks in `gifd`, which has gradient matching for longer, too."""


def compared(results: pd.DataFrame) -> dict[tuple[int, str], pd.DataFrame]:
    """Return (b, attack) -> batches, in the order shown; seed and number are the index."""
    longer = results["attack.iterations"].gt(ITERATIONS) & (results["attack"] == "geiping")
    kept = results[~longer].set_index(["seed", "batch"])
    return {
        (int(str(b)), attack): cell
        for b, batches in kept.groupby("batch_size")
        for attack in ATTACKS
        if len(cell := batches[batches["attack"] == attack])
    }
