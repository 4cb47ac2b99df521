"""Text whose weak states are nearly lost in rounding: read in the span, proven by the gradient."""

import dataclasses

import pytest
import torch
from support import language
from torch import nn

from spear.client.client import Client
from spear.data import Sentences
from spear.reconstruction import Status
from spear.scoring import truth_of
from spear.seeding import Stream, batch_generator
from spear.text import SpearText
from spear.text.attack import BY_GRADIENT
from spear.text.whole_batch import Comparison, compared

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")


@pytest.fixture(scope="module")
def learnt():
    """Sentences that a decoder predicts so well that the last states leave 1e-8 of a gradient."""
    dataset = Sentences(objective="next_token")
    network = language.network("gpt2", "next_token", dataset, steps=30, spread=0.02, width=96)
    with torch.no_grad():
        network.model.transformer.ln_f.weight *= 3
        network.model.transformer.ln_f.bias *= 3
    client = Client(network, domain=dataset.domain)
    batch = dataset.batch(3, batch_generator(0, 0, Stream.DATA))
    return language.Shared(dataset, client, batch, client.share(batch))


def test_the_gradient_proves_what_the_states_do_not(learnt):
    attack = SpearText(time_limit=20)
    observation = attack.observe(learnt.update)
    assert attack.search(observation.block).status is not Status.EXACT
    found = attack(observation)
    assert found.status is Status.EXACT
    assert found.details[BY_GRADIENT] == 1
    assert found.details["residual"] < 1e-5
    assert sorted(learnt.dataset.domain.texts(found.inputs.long())) == learnt.texts
    positions = truth_of(learnt.client, learnt.batch, None, learnt.update).positions
    assert positions.distances(found.states)[positions.leaving].max() < 1e-5


def test_a_loss_that_hides_a_label_proves_nothing(learnt):
    weights = torch.ones(len(learnt.dataset.tokenizer))
    weighted = dataclasses.replace(learnt.update, loss=nn.CrossEntropyLoss(weight=weights))
    tokens = [tuple(int(i) for i in row if i)[:-1] for row in learnt.batch.inputs]
    assert compared(learnt.update, tokens, decoder=True).of_tokens
    assert not compared(weighted, tokens, decoder=True).of_tokens


def test_another_token_anywhere_is_seen(learnt):
    tokens = [[int(i) for i in row if i][:-1] for row in learnt.batch.inputs]
    assert compared(learnt.update, tokens, decoder=True).same
    for row in range(3):
        for place in range(1, len(tokens[row])):
            other = [list(each) for each in tokens]
            other[row][place] = (other[row][place] + 1) % 1000 + 100
            assert not compared(learnt.update, other, decoder=True).same


@pytest.mark.parametrize(
    ("difference", "labels", "same"),
    [
        (9e-6, 1, True),
        (2e-5, 1, False),
        (9e-6, 9000, True),
        (9e-6, 9**6, False),
        (9e-8, 9**6, True),
    ],
)
def test_the_tolerance_is_below_the_share_of_a_label(difference, labels, same):
    assert Comparison(difference, labels, of_tokens=True).same is same
