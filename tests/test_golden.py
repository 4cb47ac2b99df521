"""Every attack still computes what `tests/golden/record.json` says: same seeds, same bits."""

import pytest
from golden import CASES, check_numbers, computed, fingerprint, load
from support.choices import OF_TEXT

from spear.experiments.config.schema import CONF

RECORD = load()
BITS = RECORD["bits"].get(fingerprint(), {})
"""Of each case, on a machine like this one; none if no such machine has been recorded."""
COMPOSED = {
    *("spear_irls_beside_svd", "spear_peeling_beside_svd"),
    *("spear_svd", "geiping_1000", "geiping_low_tv", "match_cosine"),
    "geiping_sign_labels",
    *("spear_paper_one_stage", "spear_paper_float64"),
    *("spear_paper_refitted", "spear_paper_determined"),
    *("spear_peeling", "spear_regressions", "spear_descent"),
}
"""Attacks that are others' classes with other numbers."""


def test_every_case_is_recorded():
    assert set(RECORD["numbers"]) == set(CASES)
    # A case that came later has no bits on the machines recorded before it.
    assert all(set(bits) <= set(CASES) for bits in RECORD["bits"].values())


def test_every_attack_is_a_case():
    attacks = {path.stem for path in (CONF / "attack").glob("*.yaml")}
    assert {case.overrides.partition("attack=")[2].split()[0] for case in CASES.values()} == (
        attacks - COMPOSED - OF_TEXT
    )


@pytest.mark.parametrize("name", CASES)
def test_the_same_seeds_give_the_same_bits(name):
    found = computed(name)
    if name in BITS:
        assert found.bits == BITS[name]
    check_numbers(found.numbers, RECORD["numbers"][name], CASES[name].tolerance)


@pytest.mark.parametrize("name", ["irls", "geiping", "label_recovery"])
def test_another_seed_gives_others(name):
    found = computed(name, seed=1)
    assert found.numbers != RECORD["numbers"][name]
    for bits in RECORD["bits"].values():
        assert found.bits["update"] != bits[name]["update"]
        assert found.bits["reconstruction"]["inputs"] != bits[name]["reconstruction"]["inputs"]
