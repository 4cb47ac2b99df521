"""Table 6: features of VGG16's first linear layer, and the pictures that have them.

Mean over batches; feature similarity: mean |cos| of true and recovered features. The setting is
reduced (`conf/experiment/table6.yaml`: batch, resolution, iterations), the linear layers are not
trained, and LPIPS is AlexNet's, so that the paper's values are for orientation and get no verdict.
"""

import pandas as pd

from analysis.reproduction import papers

EXPERIMENTS = ("table6", "table6_features")
NAMES = {
    "geiping": "Geiping et al.",
    "cocktail_party": "CPA + FI + Geiping et al.",
    "spear_irls": "SPEAR + FI + Geiping et al.",
}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each of the paper's methods; a dash where there is no value."""
    rows, inverted = [], results.get("attack/features", pd.Series(index=results.index, dtype=str))
    for _, paper in papers("table6").iterrows():
        method = paper["method"]
        pictures = results[inverted == method]
        features = results[results["attack"].isin([method, f"{method}_features"])]
        rows.append(
            {
                "method": NAMES[method],
                "LPIPS: paper": f"{paper['lpips']:.3f}",
                "ours": _mean(pictures["lpips"]),
                "feature similarity: paper": _mean(pd.Series([paper["feature_similarity"]])),
                "ours ": _mean(features["feature_similarity"]),
            }
        )
    return pd.DataFrame(rows)


def _mean(values: pd.Series) -> str:
    return f"{values.mean():.3f}" if values.notna().any() else "-"
