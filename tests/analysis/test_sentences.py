"""Sentences beside what was read of them: the figure, and the tables of text."""

import csv

import pandas as pd
import pytest

from spear.analysis.figures import text_recovery as text_figure
from spear.analysis.figures import transformer_blocks as block_figure
from spear.analysis.render import sentences
from spear.analysis.render.language import MODELS
from spear.analysis.render.sentences import WRONG, ReadSentences
from spear.analysis.tables import (
    gated_blocks,
    text_matching,
    text_recovery,
    text_states,
    transformer_blocks,
)

ORIGINALS = ["the gate is open", "we sold the old house last year"]


def written(path, read, originals=ORIGINALS):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sequence", "is", "text"])
        for number, pair in enumerate(zip(originals, read, strict=True)):
            writer.writerows([[number, "original", pair[0]], [number, "reconstruction", pair[1]]])
    return path


def texts(figure, colour=None):
    return [each.get_text() for each in figure.texts if colour in (None, each.get_color())]


def test_wrong_words_alone_are_in_another_colour(tmp_path):
    path = written(tmp_path / "a.csv", ["the gate was open", ""])
    job = {"texts": str(path), "experiment": "text_recovery"}
    figure = sentences.draw([ReadSentences.of("Two sentences", {"an attack": job})])
    assert texts(figure, WRONG) == ["was", "(not found)"]
    assert texts(figure).count("house") == 1
    assert {"Two sentences", "an attack", "the client's sentences"} <= set(texts(figure))
    bold = [each.get_text() for each in figure.texts if each.get_fontweight() == "bold"]
    assert {"was", "(not found)"} <= set(bold)


def test_what_is_left_out_is_shown(tmp_path):
    path = written(tmp_path / "a.csv", ["the gate", ORIGINALS[1]])
    job = {"texts": str(path), "experiment": "text_recovery"}
    figure = sentences.draw([ReadSentences.of("", {"an attack": job})])
    assert texts(figure, WRONG) == ["..."]


def test_no_text_leaves_the_figure(tmp_path):
    path = written(tmp_path / "a.csv", ORIGINALS[::-1])
    job = {"texts": str(path), "experiment": "text_recovery"}
    figure = sentences.draw([ReadSentences.of("", {"one": job, "two": job})])
    for each in figure.texts:
        x, y = each.get_position()
        assert 0 <= x < 1
        assert 0 <= y <= 1


def test_other_batches_or_missing_files_are_refused(tmp_path):
    first = {"texts": str(written(tmp_path / "a.csv", ORIGINALS)), "experiment": "e"}
    path = written(tmp_path / "b.csv", ORIGINALS, ORIGINALS[::-1])
    with pytest.raises(ValueError, match="batches differ"):
        ReadSentences.of("", {"a": first, "b": first | {"texts": str(path)}})
    with pytest.raises(FileNotFoundError, match="spear collect --texts outputs/e"):
        ReadSentences.of("", {"a": first | {"texts": str(tmp_path / "none.csv")}})


EXPERIMENT = {
    ("minilm", None): "text_recovery_minilm",
    ("gpt2", 0.0): "text_recovery",
    ("gpt2", 400.0): "text_recovery_trained",
}


def results(folder):
    right = str(written(folder / "right.csv", ORIGINALS))
    wrong = str(written(folder / "wrong.csv", ["the gate", "we"]))
    rows = []
    for network, objective, steps, b in (
        ("minilm", "classification", None, 4), ("gpt2", "next_token", 0.0, 8),
        ("gpt2", "next_token", 400.0, 8),
    ):  # fmt: skip
        for attack in text_recovery.ATTACKS:
            for k in range(2):
                own = attack == "spear_text"
                rows.append(
                    {
                        "network": network, "network.objective": objective, "network.steps": steps,
                        "batch_size": b, "attack": attack, "exact": own and k == 0,
                        "status": "exact" if own and k == 0 else "estimated",
                        "positions_exact": 1.0 if own else float("nan"),
                        "token_accuracy": 1.0 if own else 0.5,
                        "sequences_exact": 0.999 if own else 0.0, "rouge1": 1.0, "rouge2": 0.25,
                        "seconds": 1.0 + k, "texts": right if own else wrong,
                        "experiment": EXPERIMENT[network, steps],
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def test_both_attacks_stand_side_by_side(tmp_path):
    table = text_recovery.table(results(tmp_path)).set_index(["model", "b"])
    row = table.loc[("MiniLM, trained, classes", 4)]
    assert row["positions"] == "100"
    assert row["proven"] == "1/2"
    assert (row["tokens, spear"], row["tokens, DAGER"]) == ("100", "50")
    assert (row["sentences, spear"], row["sentences, DAGER"]) == ("99.9", "0")
    assert row["ROUGE-1/2, DAGER"] == "1.00/0.25"
    assert row["s, spear"] == "1.5"
    assert ("GPT-2, 400 steps, next token", 8) in table.index
    assert ("GPT-2, untrained, next token", 8) in table.index


def test_the_figure_shows_one_batch_of_each_kind(tmp_path):
    figure = text_figure.draw(results(tmp_path))
    shown = set(texts(figure))
    assert {*text_figure.SHOWN, *text_figure.ATTACKS.values()} <= shown
    assert texts(figure, WRONG) == ["...", "..."] * 2


def blocks():
    rows = [
        {
            "network": network, "network.training": training, "network.width": 128,
            "batch_size": b, "directions": 12 * b, "exact": b < 8, "state_error": 1e-6 * b,
            "positions_exact": 1.0 if b < 8 else 0.5, "status": "exact" if b < 8 else "timed_out",
        }
        for network in MODELS
        for training in (False, True)
        for b in (1, 8)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_blocks_are_counted_over_tokens():
    table = transformer_blocks.table(blocks()).set_index(["model", "dropout"])
    assert table.loc[("BERT", "on"), "b = 1"] == "1/1, tokens/d 0.09, error 1e-06"
    assert table.loc[("OPT", "off"), "b = 8"] == "0/1, tokens/d 0.75, error 8e-06"


def test_batches_that_are_not_proven_are_hollow():
    figure = block_figure.draw(blocks())
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [f"{name}: 2/4 batches exact" for name in ("BERT", "GPT-2", "OPT")]
    full, hollow = figure.axes[0].collections[:2]
    assert full.get_offsets().tolist() == [[12 / 128, 1e-6]]
    assert hollow.get_offsets().tolist() == [[96 / 128, 8e-6]]
    assert len(full.get_facecolors()) == 1
    assert len(hollow.get_facecolors()) == 0


def test_matching_stands_beside_the_others_on_its_own_batches():
    rows = [
        {
            "network": "gpt2", "network.objective": "classification", "network.steps": 0.0,
            "batch_size": b, "batch": k, "attack": attack, "token_accuracy": share,
            "sequences_exact": share if k else 0.0, "rouge1": share, "rouge2": 0.0,
            "seconds": 1.0 + k,
        }
        for attack, share in (("spear_text", 1.0), ("dager", 0.5), ("match_text", 0.25))
        for b in (1, 8)
        for k in range(4)
        if attack != "match_text" or (b == 1 and k < 2)
    ]  # fmt: skip
    table = text_matching.table(pd.DataFrame(rows)).set_index(["b", "attack"])
    assert len(table) == 3
    assert set(table["batches"]) == {2}
    assert table.loc[(1, "gradient matching"), "tokens"] == "25"
    assert table.loc[(1, "spear"), "sentences"] == "50"
    assert table.loc[(1, "DAGER"), "ROUGE-1/2"] == "0.50/0.00"
    assert table.loc[(1, "DAGER"), "s"] == "1.5"


def test_states_and_gated_blocks_are_counted():
    base = {"exact": [True, True, False], "status": ["exact", "approximate", "partial"]}
    base |= {"positions_exact": [1.0, 1.0, 0.5], "state_error": [1e-7, 2e-6, 1e-7]}
    base |= {"seconds": [1.0, 2.0, 9.0], "sequences_exact": [1.0, 1.0, 0.0], "batch_size": 4}
    frame = pd.DataFrame(base)
    gated = frame.assign(**{"network.gate": "gelu", "network.spread": 0.05})
    (row,) = gated_blocks.table(gated).to_dict("records")
    assert row["block"] == "GEGLU"
    assert row["b = 4"] == "1/3, states 83 %, error 2e-06, 2.0 s"
    states = frame.assign(
        **{"dataset": "paragraphs", "dataset.sentences": 3, "network.training": True}
    )
    states["details.states"] = [116.0, 118.0, 117.0]
    (row,) = text_states.table(states).to_dict("records")
    assert row == {
        "texts": "paragraphs of 3", "dropout": "on", "b": 4, "tokens": "118", "states": "83",
        "largest error": "2e-06", "proven": "1/3", "right texts": "67", "s": "2",
    }  # fmt: skip
