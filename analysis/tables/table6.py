"""Table 6: features of VGG16's first linear layer (25088 x 4096), and the images that have them.

Feature similarity: mean |cos| of true and recovered features. LPIPS (lower is nearer) is VGG16's,
as in the code of CPA, which the paper refers to; mean ± standard deviation over batches. Images
by feature inversion with gradient matching, which is given the labels; "alone": without gradient
matching. Setting: batches x images, pixels, iterations of feature inversion, and the median time of
a batch on one thread of a busy machine, the features included.

The linear layers are not trained; the paper's are. Images are far fewer, smaller and further from
convergence than the paper's (16 of 224 pixels, 10 batches, 25,000 iterations in the code of CPA):
at 11 to 13 dB they show outlines at best. So LPIPS is there for orientation, with no verdict, and
one batch of two images does not tell the descent from CPA. CPA's features of 224 pixels are what
it had at its time limit of 10 minutes, after 10,052 and 8,721 of 25,000 iterations.
"""

import pandas as pd

from spear.analysis.paper.columns import WITH_RIVALS, three_columns
from spear.analysis.paper.comparison import METHOD, SPEAR, Cell, mean
from spear.analysis.statistics.measures import duration, with_deviation

EXPERIMENTS = ("table6", "table6_geiping", "table6_features")
KEYS = {METHOD: METHOD}
COMPARED = {
    "lpips": mean(
        "lpips",
        "LPIPS",
        higher_is_better=False,
        text=lambda values: with_deviation(values, ".3f"),
        form=".3f",
        judged=False,
    ),
    "feature_similarity": mean(
        "feature_similarity",
        "feature similarity",
        text=lambda values: with_deviation(values, ".3f"),
        form=".3f",
    ),
}

ROWS = {
    "geiping_low_tv": "geiping",
    "spear_irls": SPEAR,
    "spear": SPEAR,
    "cocktail_party": "cocktail_party",
    "cocktail_party_features": "cocktail_party",
}
"""Attack -> the paper's row. Of pictures from features, it is the attack on the features."""

ALONE = "_alone"
"""End of the name of a row without gradient matching."""


def prepared(results: pd.DataFrame) -> pd.DataFrame:
    """Return the batches with a column `method`, the paper's name for it.

    Pictures from features count for the attack on the features. A batch has a value of either
    pictures or features.
    """
    inverted = results["attack"] == "feature_inversion"
    attack = results["attack"].mask(inverted, results["attack/features"])
    alone = inverted & (results["attack.matching"] == 0)
    features = attack.isin(["spear_irls", "spear", "cocktail_party_features"]) & ~inverted
    return results.assign(
        attack=attack.replace("cocktail_party_features", "cocktail_party"),
        method=attack.map(ROWS) + alone.map({True: ALONE, False: ""}),
        lpips=results["lpips"].mask(features),
        feature_similarity=results["feature_similarity"].where(features),
    )


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each measure of each of the paper's methods, and without matching."""
    alone = pd.DataFrame({METHOD: [f"cocktail_party{ALONE}", f"{SPEAR}{ALONE}"]})
    return three_columns(
        "table6", prepared(results), KEYS, COMPARED, again=WITH_RIVALS,
        more_cells=alone, more={"setting": _setting},
    )  # fmt: skip


def _setting(cell: Cell) -> str:
    """Return the numbers of batches and images, their side, iterations and time."""
    batches = pd.concat([cell.again, cell.ours])
    if batches.empty:
        return ""
    first = batches.iloc[0]
    size = f"{len(batches)} x {first['batch_size']}, {first['dataset.resolution']:.0f} px"
    pictures = cell.column == "lpips"
    iterations = f", {batches['details.iterations'].median():,.0f} iterations" if pictures else ""
    return f"{size}{iterations}, {duration(batches['seconds'].median())}"
