"""Table 6: each of our jobs in the row of its method."""

import pandas as pd

from analysis.tables import table6


def test_pictures_and_features_come_from_their_own_jobs():
    results = pd.DataFrame(
        {
            "attack": ["feature_inversion"] * 2 + ["spear_irls", "cocktail_party_features"],
            "attack/features": ["spear_irls", "cocktail_party", None, None],
            "lpips": [0.2, 0.3, float("nan"), float("nan")],
            "feature_similarity": [0.5, 0.6, 1.0, 0.9],
        }
    )
    rows = table6.table(results).to_numpy().tolist()
    assert rows == [
        ["Geiping et al.", "0.562", "-", "-", "-"],
        ["CPA + FI + Geiping et al.", "0.388", "0.300", "0.939", "0.900"],
        ["SPEAR + FI + Geiping et al.", "0.362", "0.200", "0.984", "1.000"],
    ]
    alone = table6.table(results[2:].drop(columns="attack/features"))
    assert alone["ours "].tolist() == ["-", "0.900", "1.000"]
