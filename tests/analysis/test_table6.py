"""Table 6: each of our jobs in the row of its method."""

import pandas as pd

from spear.analysis.paper.columns import IMPROVED, REPRODUCED, THE_PAPER, WITH_RIVALS
from spear.analysis.render.methods import NOT_RUN, OURS
from spear.analysis.tables import table6

NONE = float("nan")


def jobs() -> pd.DataFrame:
    """Two batches of pictures a method, two of features by the descent and one by CPA."""
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
        **{
            "batch_size": 4,
            "batch": [0, 1, 0, 0, 0, 2, 3, 2],
            "dataset.resolution": 64,
            "details.iterations": 300.0,
            "seconds": 7.0,
        }
    )


def test_pictures_and_features_come_from_their_own_jobs():
    rows = table6.table(jobs())
    pictures = rows[rows["measure"] == "LPIPS"].set_index("method")
    assert pictures[THE_PAPER].to_dict() == {
        "Geiping et al.": "0.562", "CPA": "0.388", "SPEAR": "0.362", "descent (ours), alone": "-",
    }  # fmt: skip
    assert pictures[WITH_RIVALS].tolist() == ["0.700", "0.600", NOT_RUN, ""]
    assert pictures[OURS].tolist() == ["", "", "0.250 ± 0.071", "0.400"]
    assert pictures["setting"].tolist()[1:3] == [
        "1 x 4, 64 px, 300 iterations, 7 s", "2 x 4, 64 px, 300 iterations, 7 s",
    ]  # fmt: skip
    assert not pictures[[REPRODUCED, IMPROVED]].to_numpy().any()
    features = rows[rows["measure"] == "feature similarity"].set_index("method")
    assert features[THE_PAPER].tolist() == ["0.939", "0.984"]
    assert features.loc["CPA", [WITH_RIVALS, REPRODUCED]].tolist() == ["0.900", "undecided"]
    assert features.loc["SPEAR", [WITH_RIVALS, OURS]].tolist() == [NOT_RUN, "0.995 ± 0.007"]
    assert features["setting"].tolist() == ["1 x 4, 64 px, 7 s", "2 x 4, 64 px, 7 s"]
