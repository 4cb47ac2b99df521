"""Gradient matching on text: its network of embeddings, its lengths, and what it reads."""

import dataclasses

import pytest
import torch
from support import language

from spear.baselines.gradient_matching import Adam, SquaredDistance
from spear.errors import ConfigError, InvalidObservation, SpearError, VictimError
from spear.reconstruction import Status
from spear.text import TextMatching
from spear.text.embedded import EmbeddedModel, embedded
from spear.text.lengths import sequence_lengths
from spear.text.words import RandomWords, nearest_words, words_of
from spear.transformer import inner_model

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")

KINDS = ["bert", "gpt2", "opt"]


def given_labels(given):
    return given.update.with_labels(given.batch.labels)


def lengths_of(given):
    return (given.batch.inputs != given.dataset.tokenizer.padding).sum(dim=1).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_have_the_scores_and_gradients_of_their_tokens(kind):
    given = language.shared(kind, "classification", b=3)
    assert len(set(lengths_of(given))) > 1
    model, _ = inner_model(given.update.network, {})
    update = embedded(given_labels(given), lengths_of(given))
    points = words_of(model)[given.batch.inputs[:, : update.domain.shape[0]]]
    scores = update.network(points)
    torch.testing.assert_close(scores, given.update.network(given.batch.inputs))
    named = dict(update.network.named_parameters())
    own = torch.autograd.grad(
        update.loss(scores, update.labels), [named[k] for k in update.gradients]
    )
    for mine, theirs in zip(own, update.gradients.values(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-6)
    left_out = set(dict(given.update.network.named_parameters())) - set(update.gradients)
    assert len(left_out & set(given.update.gradients)) == 1  # the words themselves


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_are_where_ends_are_in_the_span(kind):
    given = language.shared(kind, "classification", b=3)
    model, gradients = inner_model(given.update.network, given.update.gradients)
    end = given.dataset.tokenizer.end
    found = sequence_lengths(model, gradients, 24, 24, end)
    assert set(lengths_of(given)) <= set(found)  # others share a word with a position
    assert max(found) == max(lengths_of(given))
    assert len(found) == 24


def test_without_a_span_all_are_the_longest():
    given = language.shared("bert", "classification", b=2)
    model, gradients = inner_model(given.update.network, given.update.gradients)
    noisy = {name: each + torch.randn_like(each) for name, each in gradients.items()}
    assert sequence_lengths(model, noisy, 2, 24, given.dataset.tokenizer.end) == (24, 24)


def test_words_are_nearest_to_themselves_and_starts_are_words():
    words = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    tokens = torch.randint(50, (2, 5), generator=torch.Generator().manual_seed(1))
    near = words[tokens] + 1e-3
    assert nearest_words(near, words, [5, 3]) == [
        (*tokens[0].tolist(),),
        (*tokens[1, :3].tolist(),),
    ]
    given = language.shared("bert", "classification", b=2)
    domain = dataclasses.replace(embedded(given.update, [5, 5]).domain, shape=(5, 6))
    drawn = RandomWords(words)(2, domain, torch.Generator().manual_seed(2))
    assert (drawn.reshape(-1, 1, 6) == words).all(dim=2).any(dim=1).all()


def test_one_sentence_is_read_and_not_called_exact():
    given = language.shared("bert", "classification", b=1)
    attack = TextMatching(optimiser=Adam(learning_rate=0.1), iterations=300)
    found = attack(attack.observe(given_labels(given)))
    assert found.status is Status.ESTIMATED
    assert (found.inputs.long() == given.batch.inputs).double().mean() > 0.9


def test_restarts_pair_lengths_and_classes_in_other_ways():
    """Two sentences of 10 and 11 tokens of different classes, which come in the wrong order."""
    given = language.shared("gpt2", "classification", b=2)
    assert lengths_of(given) == [10, 11]
    update = given_labels(given)
    usual = {"optimiser": Adam(learning_rate=0.1), "iterations": 100}
    once, twice = TextMatching(**usual), TextMatching(**usual, restarts=2)
    assert once.observe(update).lengths == (11, 10)
    first, second = (each(each.observe(update)).details["objective"] for each in (once, twice))
    assert second < 0.5 * first


def test_the_same_seed_reads_the_same():
    given = language.shared("bert", "classification", b=2)
    attack = TextMatching(SquaredDistance(), iterations=5)
    seen = attack.observe(given_labels(given))
    one, again, other = (attack(seen, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one.inputs, again.inputs)
    assert not torch.equal(one.inputs, other.inputs)


def test_what_the_attack_cannot_do_is_refused():
    attack = TextMatching()
    given = language.shared("bert", "classification")
    with pytest.raises(InvalidObservation, match="labels are not known"):
        attack.observe(given.update)
    for kind, objective in (("gpt2", "next_token"), ("bert", "masked")):
        tokens = language.shared(kind, objective)
        with pytest.raises(VictimError, match=r"scores tokens.*objective=classification"):
            attack.check(tokens.update.network, tokens.update.domain)
    training = language.shared("bert", "classification", training=True)
    with pytest.raises(VictimError, match="training mode"):
        attack.check(training.update.network, training.update.domain)
    with pytest.raises(ConfigError, match="iterations is 0"):
        TextMatching(iterations=0)
    with pytest.raises(SpearError, match="takes no tokens"):
        attack.check(torch.nn.Linear(3, 2), given.update.domain)


def test_an_unpadded_probe_of_fewer_rows_is_computed():
    given = language.shared("bert", "classification", b=2)
    model, _ = inner_model(given.update.network, {})
    assert EmbeddedModel(model, (4, 3))(torch.zeros(1, 4, 64)).shape == (1, given.dataset.n_classes)
