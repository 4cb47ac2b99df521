"""Values in the headers of experiments follow from the records."""

import pytest

from spear.experiments.cli.headers import renewed_header
from spear.experiments.config.experiments import FOLDER, experiments

CHOSEN = [
    each
    for each in experiments().values()
    if any(value.cells or value.records or value.rerun for value in each.values.values())
]
HEADER = """# @package _global_
# spear experiment=mine
# What it shows.
# Cells (MNIST): table3 accuracy dataset=mnist
# Ours (MNIST): 3/100,
#   a stale value
# Records: exact_recovery_b100 batch_size=100
# Paper: nothing
# Ours: stale
# Tags: main
n_batches: 3 # Ours: no header
"""


@pytest.mark.slow
@pytest.mark.parametrize("experiment", CHOSEN, ids=[each.name for each in CHOSEN])
def test_headers_are_those_of_the_records(experiment):
    text = (FOLDER / f"{experiment.choice}.yaml").read_text()
    assert renewed_header(text, experiment.name) == text, (
        "run `spear experiments --write conf/experiment docs Makefile`"
    )


def test_most_tables_of_the_paper_take_their_values_from_records():
    typed = {each.name for each in experiments().values() if each.room == "paper"}
    typed -= {each.name for each in CHOSEN}
    assert {each for each in typed if each.startswith("table")} == {
        "table6",  # by parts, some without pictures
        "table9_sampling",  # beside table9_to_the_letter, which has the values
    }


def test_stale_values_are_replaced_and_all_else_is_kept():
    found = renewed_header(HEADER, "mine")
    assert "stale" not in found
    assert "# Paper (MNIST): 99 %\n" in found
    assert "# Ours (MNIST): 100/100\n" in found
    assert "# Records: exact_recovery_b100 batch_size=100\n# Ours: 20/20; " in found
    kept = ("# What it shows.\n", "# Paper: nothing\n", "# Tags: main\n", "# Ours: no header\n")
    assert all(each in found for each in kept)


def test_a_second_time_changes_nothing():
    once = renewed_header(HEADER, "mine")
    assert renewed_header(once, "mine") == once
