"""Letters of what each attack is given beyond the update, and threat models that allow them.

The key `threat_model` refuses an attack that is given more; without it every attack runs.
"""

from typing import Any

from spear.errors import ConfigError
from spear.spelling import did_you_mean

LETTERS = {
    "W": "weights and update of the layers that it attacks",
    "M": "the whole model, its loss and the update of every parameter",
    "Y": "labels of the batch",
    "P": "a prior on inputs: smoothness, a generator, independence, or the columns of a table",
}
"""Letter -> what an attack with it is given. None is given inputs. `dager`, `dlg`, `ggl`,
`gias`, `gifd_counted_labels`, `gradinversion` and `lt_peeling` are told the batch size; for the
others it follows from the update or, with Y, from the labels."""

LABELS = "Y"

MODELS = {"layer": "W", "server": "WM", "labels": "WMY", "prior": "WMP", "all": "WMYP"}
"""Threat model -> letters that it allows. `server` is the honest-but-curious server, which has all
that the protocol hands it and nothing else; `layer` is what SPEAR itself needs."""

GIVEN = {
    "april": "WM",
    "ci_net": "WMYP",
    "cocktail_party": "WP",
    "cocktail_party_features": "WP",
    "dager": "WM",
    "dictionary_learning": "W",
    "dictionary_learning_l1": "W",
    "dlg": "WM",
    "feature_inversion": "WMYP",
    "geiping": "WMYP",
    "geiping_1000": "WMYP",
    "geiping_low_tv": "WMYP",
    "geiping_recovered_labels": "WMP",
    "geiping_sign_labels": "WMP",
    "ggl": "WMP",
    "gias": "WMP",
    "gifd": "WMYP",
    "gifd_counted_labels": "WMP",
    "gradinversion": "WMP",
    "idlg": "WM",
    "label_recovery": "WM",
    "label_recovery_analytic": "WM",
    "latent_search": "WMYP",
    "lt_peeling": "WM",
    "match_cosine": "WMY",
    "match_l2": "WMY",
    "match_text": "WMY",
    "neuron_exclusivity": "W",
    "spear": "W",
    "spear_auto": "WM",
    "spear_block": "W",
    "spear_clipped": "W",
    "spear_descent": "W",
    "spear_fedavg": "W",
    "spear_gated": "W",
    "spear_input": "W",
    "spear_irls": "W",
    "spear_irls_beside_svd": "W",
    "spear_labels": "WM",
    "spear_network": "WM",
    "spear_noisy": "W",
    "spear_pair": "W",
    "spear_pair_by_loss": "WM",
    "spear_pair_fedavg": "W",
    "spear_pair_to_loss": "WM",
    "spear_pair_unbiased": "W",
    "spear_paper": "W",
    "spear_paper_determined": "W",
    "spear_paper_float64": "W",
    "spear_paper_noisy": "W",
    "spear_paper_one_stage": "W",
    "spear_paper_refitted": "W",
    "spear_peeling": "W",
    "spear_peeling_beside_svd": "W",
    "spear_prior": "WMYP",
    "spear_pruned": "W",
    "spear_regressions": "W",
    "spear_svd": "W",
    "spear_text": "WM",
    "spear_text_gated": "WM",
    "spear_vit": "WM",
    "tableak": "WMYP",
}
"""File of `conf/attack/` -> its letters, with its own settings."""


def check_name(model: str | None) -> None:
    """Refuse a threat model that does not exist.

    Raises:
        ConfigError: there is none of that name.
    """
    if model is not None and model not in MODELS:
        end = did_you_mean(model, MODELS, f"expected one of {', '.join(MODELS)}, or null")
        raise ConfigError(f"key 'threat_model' is {model!r}; {end}.")


def letters(choice: str, attack: Any) -> str:
    """Return what an attack is given.

    Args:
        choice: its file in `conf/attack/`; of a file of one's own only the labels are known.
        attack: the attack, whose settings may have changed whether it is given the labels.
    """
    known = GIVEN.get(choice, "W").replace(LABELS, "")
    own = known + (LABELS if attack.given_labels else "")
    return "".join(each for each in LETTERS if each in own)


def check_allowed(model: str | None, choice: str, attack: Any) -> None:
    """Refuse an attack that is given what a threat model forbids.

    Args:
        model: name of the threat model; None allows everything.
        choice, attack: as of `letters`.

    Raises:
        ConfigError: it is given more.
    """
    if model is None:
        return
    own = letters(choice, attack)
    forbidden = [each for each in own if each not in MODELS[model]]
    if forbidden:
        given = " and ".join(LETTERS[each] for each in forbidden)
        fitting = [name for name, may in MODELS.items() if set(own) <= set(may)]
        raise ConfigError(
            f"threat_model={model} does not give the server {given}, which attack={choice} needs; "
            f"expected an attack with no more than {MODELS[model]} (docs/threat-model.md), or "
            f"threat_model={fitting[0]}."
        )


def table() -> str:
    """Return the letters of every attack as a Markdown table, for the documentation."""
    groups: dict[str, list[str]] = {}
    for name, own in GIVEN.items():
        groups.setdefault(own, []).append(f"`{name}`")
    head = "| given | attacks | threat models that allow it |\n| --- | --- | --- |\n"
    return head + "".join(
        f"| {own} | {', '.join(names)} | {', '.join(_allowing(own))} |\n"
        for own, names in sorted(groups.items(), key=lambda each: (len(each[0]), each[0]))
    )


def _allowing(own: str) -> list[str]:
    return [f"`{name}`" for name, may in MODELS.items() if set(own) <= set(may)]
