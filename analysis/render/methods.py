"""Part that each attack plays beside the paper, and its name in tables, legends and claims.

Each table of the paper has three columns: the paper's value, its method run again, and ours. Its
method is Algorithm 1, which alone is called SPEAR, or a rival that the paper compares it with. Ours
is the descent.
"""

import pandas as pd

ALGORITHM_1 = "Algorithm 1"
"""Name of the paper's own attack, SPEAR."""

OURS = "descent (ours)"
"""Name of the attack of this suite that stands beside it, `attack=spear_irls`."""

PEELING = "peeling (ours)"
"""Name of `attack=spear_peeling`, which has the next layer's gradient, too."""

TO_THE_LETTER = ("spear_paper", "spear_paper_noisy")

SAMPLING = {
    "spear_paper": "to the letter",
    "spear_paper_noisy": "noisy mode to the letter",
    "spear": "information sets",
    "spear_svd": "one SVD each",
    "spear_fedavg": "as App. F has it",
    "spear_noisy": "noisy mode",
    "spear_prior": "with the prior",
}
"""Attacks that run Algorithm 1 -> the way in which they do."""

OWN = {
    "spear_auto": "default (ours)",
    "spear_irls": OURS,
    "spear_peeling": PEELING,
    "spear_pair": "layer pair (ours)",
}
"""Attacks of this suite's own in the paper's tables -> their names."""

WRAPPED = {
    "spear_irls_beside_svd": "spear_irls",
    "spear_peeling_beside_svd": "spear_peeling",
}
"""Attack that another one wraps -> the name under which it stands."""

METHODS = {
    "spear": "SPEAR",
    "geiping": "Geiping et al.",
    "tableak": "TabLeak",
    "ci_net_relu": "CI-Net, ReLU",
    "ci_net_sigmoid": "CI-Net, Sigmoid",
    "cocktail_party": "CPA",
    "pair_sigmoid": "layer pair (ours), Sigmoid",
    "cocktail_party_alone": "CPA, alone",
    "spear_alone": "descent (ours), alone",
}
"""Rows of tables with several methods -> their names; the last three have none in the paper's."""

NOT_RUN = "- (not run)"
"""Text of a cell without a record."""


def name(attack: str) -> str:
    """Return the name of an attack by sampling or of ours: "Algorithm 1, information sets"."""
    attack = WRAPPED.get(attack, attack)
    return OWN[attack] if attack in OWN else f"{ALGORITHM_1}, {SAMPLING[attack]}"


def is_rival(attack: str) -> bool:
    """Return whether an attack is neither Algorithm 1 nor ours."""
    return attack not in OWN and attack not in SAMPLING


def again(batches: pd.DataFrame) -> pd.DataFrame:
    """Return the batches of the paper's method, each once.

    If Algorithm 1 ran in several ways, those of the way with the most batches; of as many, those to
    the letter.
    """
    others = batches[~batches["attack"].isin([*OWN])]
    if others.empty:
        return others
    ways = [_once(others[others["attack"] == each]) for each in others["attack"].unique()]
    return max(ways, key=lambda each: (len(each), each["attack"].iloc[0] in TO_THE_LETTER))


def ours(batches: pd.DataFrame) -> pd.DataFrame:
    """Return the batches of ours, each once."""
    return _once(batches[batches["attack"].isin([*OWN])])


def _once(batches: pd.DataFrame) -> pd.DataFrame:
    """Return batches without those that another experiment has run, too."""
    keys = [
        each for each in ("batch", "seed", "batch_size", "dataset.resolution") if each in batches
    ]
    return batches.drop_duplicates(keys) if "batch" in keys else batches
