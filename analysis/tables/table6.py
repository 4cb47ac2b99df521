"""Table 6: features of VGG16's first linear layer (25088 x 4096), and the pictures that have them.

Feature similarity: mean |cos| of true and recovered features. LPIPS (lower is nearer) is VGG16's,
as in the code of CPA, which the paper refers to; mean ± standard deviation over batches. FI:
feature inversion, with gradient matching (+ Geiping et al., given the labels) and without. Seconds:
median a batch on one thread, the features included. The linear layers are not trained, as the
paper's are, and pictures are far fewer, smaller and longer from convergence than the paper's (16 of
224 pixels, 10 batches, 25,000 iterations in the code of CPA), so that its LPIPS is there for
orientation and gets no verdict.
"""

import pandas as pd

from analysis.measures import duration
from analysis.reproduction import papers

EXPERIMENTS = ("table6", "table6_geiping", "table6_features")
NAMES = {"geiping": "", "cocktail_party": "CPA", "spear_irls": "SPEAR"}
MATCHING = "Geiping et al."
GEIPING = "geiping_low_tv"


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each of the paper's methods, and one for each without gradient matching."""
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
    """One method: its pictures, and its features where these are told apart."""
    similar = None if paper is None else paper["feature_similarity"]
    return {
        "method": name,
        "LPIPS: paper": "" if paper is None else f"{paper['lpips']:.3f}",
        "ours": _spread(pictures["lpips"]),
        "pictures": _setting(pictures),
        "iterations": "" if pictures.empty else f"{pictures['details.iterations'].median():,.0f}",
        "seconds": _seconds(pictures),
        "feature similarity: paper": "" if pd.isna(similar) else f"{similar:.3f}",
        "ours ": "" if features is None else _spread(features["feature_similarity"]),
        "features": "" if features is None else _setting(features),
        "seconds ": "" if features is None else _seconds(features),
    }


def _spread(values: pd.Series) -> str:
    """Mean ± standard deviation over batches, or a dash where there is no value."""
    if not values.notna().any():
        return "-"
    return (
        f"{values.mean():.3f} ± {values.std():.3f}" if len(values) > 1 else f"{values.mean():.3f}"
    )


def _seconds(batches: pd.DataFrame) -> str:
    return "" if batches.empty else duration(batches["seconds"].median())


def _setting(batches: pd.DataFrame) -> str:
    """How many batches of how many pictures of which side in pixels."""
    if batches.empty:
        return ""
    first = batches.iloc[0]
    return f"{len(batches)} x {first['batch_size']}, {first['dataset.resolution']:.0f} px"
