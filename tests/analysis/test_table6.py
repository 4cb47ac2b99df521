"""Table 6: each of our jobs in the row of its method."""

import pandas as pd

from spear.analysis.tables import table6

NONE = float("nan")


def jobs() -> pd.DataFrame:
    """Two batches of pictures a method, and two of features by SPEAR and one by CPA."""
    columns = ["attack", "attack/features", "attack.matching", "lpips", "feature_similarity"]
    rows = [
        ("feature_inversion", "spear_irls", 1, 0.2, 0.5),
        ("feature_inversion", "spear_irls", 1, 0.3, 0.5),
        ("feature_inversion", "spear_irls", 0, 0.4, 0.5),
        ("feature_inversion", "cocktail_party", 1, 0.6, 0.6),
        ("geiping_low_tv", NONE, NONE, 0.7, 0.1),
        ("spear_irls", NONE, NONE, NONE, 1.0),
        ("spear_irls", NONE, NONE, NONE, 0.99),
        ("cocktail_party_features", NONE, NONE, NONE, 0.9),
    ]
    return pd.DataFrame(rows, columns=columns).assign(
        **{"batch_size": 4, "dataset.resolution": 64, "details.iterations": 300.0, "seconds": 7.0}
    )


def test_pictures_and_features_come_from_their_own_jobs():
    rows = table6.table(jobs()).set_index("method")
    assert rows["LPIPS: paper"].tolist() == ["0.562", "", "0.388", "", "0.362"]
    assert rows["ours"].to_dict() == {
        "Geiping et al.": "0.700",
        "CPA + FI": "-",
        "CPA + FI + Geiping et al.": "0.600",
        "SPEAR + FI": "0.400",
        "SPEAR + FI + Geiping et al.": "0.250 ± 0.071",
    }
    assert rows["ours "].tolist() == ["", "", "0.900", "", "0.995 ± 0.007"]
    assert rows["pictures"].tolist() == ["1 x 4, 64 px", "", *["1 x 4, 64 px"] * 2, "2 x 4, 64 px"]
    assert rows["iterations"].tolist() == ["300", "", "300", "300", "300"]
