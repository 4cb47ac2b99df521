"""Scores of token sequences and hidden states, of reconstructions made by hand."""

import csv
import io
import math
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from spear.data import Sentences
from spear.data.tokenizers import padded
from spear.experiments.record.records import BatchRecord
from spear.reconstruction import Reconstruction, Status
from spear.scoring import Scorer, Truth, metrics_of, standard_metrics
from spear.scoring.matched import Matched
from spear.scoring.positions import Positions
from spear.scoring.shown import shown_csv, shown_texts
from spear.scoring.texts import Texts

DATA = Sentences(length=8)
WORDS = DATA.tokenizer
TEXTS = ["the cat sleeps.", "she bakes bread.", "the soup needs salt."]
LENGTHS = (6, 6, 7)
STATES = torch.randn(3, 8, 5, generator=torch.Generator().manual_seed(0))


def rows(texts):
    return padded([WORDS.encode(each, 8) for each in texts], 8, WORDS.padding)


def truth(last=False):
    """Of the three texts; `last`: whether the end of a sequence leaves a gradient."""
    leaving = torch.zeros(3, 8, dtype=torch.bool)
    for row, n in zip(leaving, LENGTHS, strict=True):
        row[: n if last else n - 1] = True
    tokens = rows(TEXTS).double()
    labels = torch.zeros(3, dtype=torch.int64)
    return Truth(tokens, tokens.new_zeros(0, 3), labels, positions=Positions(STATES, leaving))


def found(tokens, states=None):
    made = Reconstruction.estimate(tokens.double(), 1.0, Status.EXACT)
    return replace(made, states=STATES.flatten(0, 1) if states is None else states)


def without_ends(tokens):
    return tokens.masked_fill(tokens == WORDS.end, WORDS.padding)


def score(reconstruction, true):
    return Scorer(DATA, [*standard_metrics(), Texts()])(reconstruction, true)


def test_the_right_sequences_in_any_order_are_exact():
    right = without_ends(rows(TEXTS))[[2, 0, 1]]
    said = score(found(right), truth())
    assert said["token_accuracy"] == said["sequences_exact"] == said["positions_exact"] == 1
    assert said["exact"] is True
    assert said["directions_right"] == 3
    assert said["state_error"] < 1e-6
    if find_spec("rouge_score"):
        assert said["rouge1"] == said["rouge2"] == pytest.approx(1.0)
    assert math.isnan(said["mse"])
    assert math.isnan(said["feature_similarity"])
    assert math.isnan(said["psnr"])


def test_the_last_token_counts_only_if_it_leaves_a_gradient():
    right = without_ends(rows(TEXTS))
    assert score(found(right), truth(last=True))["sequences_exact"] == 0
    assert score(found(right), truth(last=True))["token_accuracy"] == pytest.approx(16 / 19)
    assert score(found(rows(TEXTS)), truth(last=True))["exact"] is True
    # One token too many is no right sequence, but all tokens that count are right.
    assert score(found(rows(TEXTS)), truth())["sequences_exact"] == 0
    assert score(found(rows(TEXTS)), truth())["token_accuracy"] == 1


def test_a_wrong_token_makes_its_sequence_wrong():
    tokens = without_ends(rows(TEXTS))
    tokens[1, 2] = WORDS.encode("salt", 8)[1]
    said = score(found(tokens), truth())
    assert said["token_accuracy"] == pytest.approx(15 / 16)
    assert said["sequences_exact"] == pytest.approx(2 / 3)
    assert said["exact"] is False
    if find_spec("rouge_score"):
        assert said["rouge1"] == pytest.approx((1 + 1 + 2 / 3) / 3)  # 2 of 3 words
        assert said["rouge2"] == pytest.approx((1 + 1 + 0) / 3)  # none of 2 pairs


def test_a_missing_sequence_has_no_right_token_and_a_further_one_is_no_exact_batch():
    right = without_ends(rows(TEXTS))
    said = score(found(right[:2]), truth())
    assert said["token_accuracy"] == pytest.approx(10 / 16)
    assert said["sequences_exact"] == pytest.approx(2 / 3)
    more = torch.cat([right, rows(["who knows?"])])
    said = score(found(more), truth())
    assert said["sequences_exact"] == 1
    assert said["exact"] is False
    nothing = score(Reconstruction.empty(0, 8, Status.FAILED), truth())
    assert nothing["token_accuracy"] == nothing["sequences_exact"] == 0
    assert math.isnan(nothing["positions_exact"])


def test_states_are_exact_position_by_position():
    right = without_ends(rows(TEXTS))
    states = STATES.flatten(0, 1).clone()
    states[0] *= 1 + 1e-4
    states[1] *= 1.01
    said = score(found(right, states), truth())
    assert said["positions_exact"] == pytest.approx(15 / 16)
    assert said["state_error"] == pytest.approx(1e-4, rel=1e-2)
    assert score(found(right, states[:0]), truth())["positions_exact"] == 0


def test_the_hidden_states_of_a_block_are_scored_without_tokens():
    leaving = truth().positions.leaving
    states = STATES[leaving].double()
    gradients = torch.rand(9, 16, generator=torch.Generator().manual_seed(1))
    true = Truth(states, gradients, torch.zeros(3), positions=truth().positions)
    made = Reconstruction.estimate(states.flip(0), 1.0)
    made = replace(made, activation_gradients=gradients.flip(1))
    scorer = Scorer(DATA, [*standard_metrics(), Texts()], first_layer=False)
    said = scorer(made, true)
    assert said["positions_exact"] == 1
    assert said["mse"] == 0
    assert said["exact"] is True
    assert math.isnan(said["token_accuracy"])


def test_the_sheet_has_each_text_above_its_reconstruction():
    tokens = without_ends(rows(TEXTS))[[1, 0, 2]]
    text = shown_csv(Matched(found(tokens), truth(), DATA))
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [each["is"] for each in lines] == ["original", "reconstruction"] * 3
    assert [each["text"] for each in lines[::2]] == TEXTS
    assert [each["text"] for each in lines[1::2]] == TEXTS


def test_only_jobs_on_text_have_these_numbers():
    from spear.data import Digits

    assert [type(each) for each in metrics_of(DATA)] == [Texts]
    assert metrics_of(Digits()) == ()
    assert shown_texts(Matched(found(rows(TEXTS)), truth(), DATA, first_layer=False)) is None


def test_a_shortfall_is_told_in_sequences():
    right = without_ends(rows(TEXTS))[:2]
    made = found(right)
    record = BatchRecord.of(0, truth(), made, score(made, truth()))
    assert record.failure.startswith("2 sequences were found, but the batch has 3: ")
    assert record.directions == 2
