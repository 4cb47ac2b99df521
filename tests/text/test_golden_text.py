"""Every attack on text still computes what `tests/golden/text.json` says: same seeds, same bits."""

import pytest
from golden import check_numbers, load
from golden_text import CASES, TEXT, computed, machine
from support.choices import OF_TEXT

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")

RECORD = load(TEXT)
BITS = RECORD["bits"].get(machine(), {})
"""Of each case, on a machine like this one; none if no such machine has been recorded."""


def test_every_case_is_recorded():
    assert set(RECORD["numbers"]) == set(CASES)
    assert all(set(bits) <= set(CASES) for bits in RECORD["bits"].values())


def test_every_attack_on_text_is_a_case():
    overrides = [case.overrides for case in CASES.values()]
    assert {each.partition("attack=")[2].split()[0] for each in overrides} == OF_TEXT


@pytest.mark.parametrize("name", CASES)
def test_the_same_seeds_give_the_same_bits(name):
    found = computed(name)
    if name in BITS:
        assert found.bits == BITS[name]
    check_numbers(found.numbers, RECORD["numbers"][name], CASES[name].tolerance)


def test_another_seed_gives_others():
    found = computed("text_gpt2", seed=1)
    assert found.numbers != RECORD["numbers"]["text_gpt2"]
    for bits in RECORD["bits"].values():
        assert found.bits["update"] != bits["text_gpt2"]["update"]
