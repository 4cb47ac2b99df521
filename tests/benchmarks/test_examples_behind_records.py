"""Examples behind records: without the data the table stays, and the command says so."""

import pytest

from benchmarks import clipped_examples, examples_behind_records
from benchmarks.examples_behind_records import made, rows
from spear.analysis.records.clipped import CLIPPED
from spear.analysis.records.examples import COLUMNS, EXAMPLES, counted
from spear.errors import DatasetError


@pytest.mark.parametrize("arguments", [[], ["table2_sampling"], ["--verify", "table8"]])
def test_without_the_data_it_ends_with_one_sentence_and_leaves_the_table(
    arguments, tmp_path, monkeypatch
):
    before = EXAMPLES.read_bytes()
    monkeypatch.setenv("SPEAR_DATA", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        examples_behind_records.main(arguments)
    said = ended.value.code  # a text: Python prints it and exits with 1
    assert said.startswith("examples.csv is left as it was: ")
    assert f"not found in root {tmp_path}" in said
    assert "SPEAR_DATA" in said
    assert said.count("\n") == 0
    assert EXAMPLES.read_bytes() == before


def test_so_does_the_count_of_clipped_examples(tmp_path, monkeypatch):
    before = CLIPPED.read_bytes()
    monkeypatch.setenv("SPEAR_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match=r"clipped\.csv is left .*not found in root"):
        clipped_examples.main([])
    assert CLIPPED.read_bytes() == before


def test_a_missing_data_set_is_named_by_its_own_error(tmp_path):
    with pytest.raises(DatasetError, match=r"adult/adult\.data"):
        made(f'{{"_target_": "spear.data.Adult", "root": "{tmp_path}"}}')


@pytest.mark.slow
def test_a_row_is_what_the_recorded_batches_give(data_root):
    (row,) = rows("table2_sampling", data_root, verify=True)
    table = counted()
    (known,) = table[table["experiment"] == "table2_sampling"].to_dict("records")
    assert dict(zip(COLUMNS, row, strict=True)) == known
