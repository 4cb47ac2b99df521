"""States to expect of an encoder, and the one budget of both searches."""

import pytest
import torch
from support import language
from support import transformer as support

from spear.reconstruction import Status
from spear.text import Span, SpearText, TextObservation, attack, recovered, tokens_within
from spear.text.expected import expected_states, near_words

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")

FIRST = "bert.encoder.layer.0.intermediate.dense"


def observed(training):
    model = support.model("bert", width=64).train(training)
    inputs = support.batch("bert", 2, 7)
    gradients, truth = support.shared(model, inputs, FIRST)
    return inputs["input_ids"], TextObservation.of(model, gradients), truth


def test_states_of_plausible_sentences_are_near_those_of_the_batch():
    _, seen, truth = observed(training=False)
    within = tokens_within(seen.embeddings, Span.of(seen.attention))
    states = expected_states(seen.inputs, within.tokens, seed=0)
    assert states.shape[1] == 64
    any_words = torch.randint(5, support.VOCABULARY, (len(states) // 7, 7))
    others = seen.inputs(any_words).flatten(0, 1)
    plausible, random = (float(truth.distances(each).median()) for each in (states, others))
    assert plausible < 0.7 * random
    again = expected_states(seen.inputs, within.tokens, seed=0)
    assert torch.equal(states, again)


def test_a_column_with_one_token_is_in_every_sentence():
    _, seen, _ = observed(training=False)
    states = expected_states(seen.inputs, [(7,), (8,)], seed=0)
    own = seen.inputs(torch.tensor([[7, 8]]))[0]
    torch.testing.assert_close(states[:2], own, rtol=1e-4, atol=1e-5)


def test_under_dropout_words_near_the_span_are_those_of_the_batch():
    tokens, seen, _ = observed(training=True)
    span = Span.of(seen.attention)
    assert not tokens_within(seen.embeddings, span).tokens
    near, words = set(near_words(seen.embeddings, span)), set(tokens.flatten().tolist())
    assert near
    assert len(near & words) >= 0.8 * len(near)


def test_the_second_search_has_what_the_first_one_left(monkeypatch):
    """A decoder whose first search ends early is searched again, within one budget."""
    limits = []

    def watched(observation, search, *others):
        limits.append(search.limits)
        return recovered(observation, search, *others)

    monkeypatch.setattr(attack, "recovered", watched)
    monkeypatch.setattr(attack, "FIRST_STARTS", 1)
    monkeypatch.setattr(attack, "_by_gradient", lambda *_: None)
    given = language.shared("gpt2", "next_token")
    text = SpearText(time_limit=50.0, max_starts=500)
    found = text(text.observe(given.update))
    first, second = limits
    assert found.status is Status.EXACT
    assert (first.max_starts, second.max_starts) == (1, 500)
    assert second.time_limit < first.time_limit <= 50
