"""Table 6: features of VGG16's first linear layer (25088 x 4096), and the pictures that have them.

Feature similarity: mean |cos| of true and recovered features. LPIPS (lower is nearer) is VGG16's,
as in the code of CPA, which the paper refers to; mean ± standard deviation over batches. FI:
feature inversion, with gradient matching (+ Geiping et al., given the labels) and without. Seconds:
median a batch on one thread of a busy machine, the features included.

The linear layers are not trained; the paper's are. Pictures are far fewer, smaller and further from
convergence than the paper's (16 of 224 pixels, 10 batches, 25,000 iterations in the code of CPA):
at 11 to 13 dB they show outlines at best. So its LPIPS is there for orientation, with no verdict,
and one batch of two pictures does not tell SPEAR's from CPA's. CPA's features of 224 pixels are
what it had at its time limit of 10 minutes, after 10,052 and 8,721 of 25,000 iterations; SPEAR's
are exact.
"""

import pandas as pd

from spear.analysis.paper.comparison import papers
from spear.analysis.statistics.measures import duration, with_deviation

EXPERIMENTS = ("table6", "table6_geiping", "table6_features")
NAMES = {"geiping": "", "cocktail_party": "CPA", "spear_irls": "SPEAR"}
MATCHING = "Geiping et al."
GEIPING = "geiping_low_tv"


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each of the paper's methods, and one for each without gradient matching."""
    inverted = results["attack"] == "feature_inversion"
    rows = []
    for _, paper in papers("table6").iterrows():
        method = paper["method"]
        if not NAMES[method]:
            rows.append(_row(MATCHING, results[results["attack"] == GEIPING], paper))
            continue
        from_these = results[inverted & (results["attack/features"] == method)]
        alone = results[results["attack"].isin([method, f"{method}_features"])]
        name = f"{NAMES[method]} + FI"
        rows.append(_row(name, from_these[from_these["attack.matching"] == 0]))
        matched = from_these[from_these["attack.matching"] > 0]
        rows.append(_row(f"{name} + {MATCHING}", matched, paper, alone))
    return pd.DataFrame(rows)


def _row(
    name: str,
    pictures: pd.DataFrame,
    paper: pd.Series | None = None,
    features: pd.DataFrame | None = None,
) -> dict[str, str]:
    """Return one method's row: its pictures, and its features if these are given."""
    similar = None if paper is None else paper["feature_similarity"]
    return {
        "method": name,
        "LPIPS: paper": "" if paper is None else f"{paper['lpips']:.3f}",
        "ours": with_deviation(pictures["lpips"], ".3f"),
        "pictures": _setting(pictures),
        "iterations": "" if pictures.empty else f"{pictures['details.iterations'].median():,.0f}",
        "seconds": _seconds(pictures),
        "feature similarity: paper": "" if pd.isna(similar) else f"{similar:.3f}",
        "ours ": "" if features is None else with_deviation(features["feature_similarity"], ".3f"),
        "features": "" if features is None else _setting(features),
        "seconds ": "" if features is None else _seconds(features),
    }


def _seconds(batches: pd.DataFrame) -> str:
    return "" if batches.empty else duration(batches["seconds"].median())


def _setting(batches: pd.DataFrame) -> str:
    """Return the number of batches, of pictures in each, and their side in pixels."""
    if batches.empty:
        return ""
    first = batches.iloc[0]
    return f"{len(batches)} x {first['batch_size']}, {first['dataset.resolution']:.0f} px"
