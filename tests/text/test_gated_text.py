"""Jobs on gated blocks: Llama-like networks, their states, and their text."""

import dataclasses

import pytest
import torch
from support import language

from spear.data import Batch
from spear.data.text import next_tokens
from spear.errors import ConfigError, InvalidObservation, LayerError
from spear.inversion import SpearGatedBlock
from spear.networks import llama
from spear.reconstruction import Status
from spear.scoring.truth import truth_of
from spear.text import SpearTextGated, read_sequences
from spear.text.observation import as_rows

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")


def texts(given, found):
    return sorted(given.dataset.domain.texts(found.inputs.long()))


@pytest.mark.parametrize("gate", ["silu", "gelu"])
@pytest.mark.parametrize("training", [False, True])
def test_states_of_each_block_are_found_and_not_called_exact(gate, training):
    given = language.shared("llama", "next_token", gate=gate, training=training)
    for index in range(2):
        attack = SpearGatedBlock(index)
        attack.check(given.update.network, given.dataset.domain)
        found = attack(attack.observe(given.update))
        block = attack.block_of(given.update.network)
        truth = truth_of(given.client, given.batch, None, given.update, block)
        assert found.status is Status.APPROXIMATE
        assert truth.positions.share_exact(found) == 1
        assert truth.positions.errors(found).nan_to_num().max() < 1e-4
        assert (block.width, block.neurons) == (64, 171)
        product = truth.activation_gradients.double() @ truth.inputs.double()
        assert torch.allclose(product, truth.weight_update.double(), atol=1e-5)


@pytest.mark.parametrize("gate", ["silu", "gelu"])
def test_the_gradient_proves_what_the_states_do_not(gate):
    given = language.shared("llama", "next_token", gate=gate)
    attack = SpearTextGated()
    found = attack(attack.observe(given.update))
    assert found.status is Status.EXACT
    assert texts(given, found) == given.texts
    assert found.details["certified"] == 2
    assert found.details["residual"] < 1e-6


def test_under_a_loss_of_classes_text_is_approximate():
    given = language.shared("llama", "classification")
    found = SpearTextGated()(SpearTextGated().observe(given.update))
    assert found.status is Status.APPROXIMATE
    assert texts(given, found) == given.texts


def test_a_trace_of_another_batch_is_never_exact():
    given, other = (language.shared("llama", "next_token", number=k) for k in (0, 1))
    mixed = {k: v + 1e-3 * other.update.gradients[k] for k, v in given.update.gradients.items()}
    seen = SpearTextGated(time_limit=5).observe(dataclasses.replace(given.update, gradients=mixed))
    assert SpearTextGated(time_limit=5)(seen).status is not Status.EXACT


def test_noise_and_too_many_tokens_are_refused():
    given = language.shared("llama", "next_token", b=8)
    attack = SpearTextGated()
    with pytest.raises(InvalidObservation, match="of full rank"):
        attack(attack.observe(given.update))


def test_other_models_are_refused():
    given = language.shared("gpt2", "next_token")
    for attack in (SpearTextGated(), SpearGatedBlock()):
        with pytest.raises(LayerError, match="0 gated blocks"):
            attack.check(given.update.network, given.dataset.domain)
    with pytest.raises(ConfigError, match="gate is 'tanh'"):
        llama((24,), 6, gate="tanh")
    with pytest.raises(LayerError, match="block is 2"):
        SpearGatedBlock(2).block_of(language.shared("llama", "next_token").update.network)


# A first token that is repeated: (2), (2, 2) and so on leave the same state in rotary models.

X, Y, Z, END = 40, 50, 60, 3


def of_tokens(*rows):
    """A batch of these tokens, each row ended."""
    given = language.shared("llama", "next_token")
    tokens = as_rows([(*row, END) for row in rows], 24, 0).long()
    batch = Batch(tokens, next_tokens(tokens, 0))
    return dataclasses.replace(given, batch=batch, update=given.client.share(batch))


def test_a_first_token_that_repeats_leaves_one_state():
    given = language.shared("llama", "next_token")
    inputs = SpearTextGated().observe(given.update).inputs
    once, twice = inputs(torch.tensor([[2, 2]]))[0]
    torch.testing.assert_close(once, twice, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "rows",
    [
        [(X, X, Y, Z)],
        [(X, Y, Z), (X, X, X, Z)],
        [(X, X, Y, X, X), (Y, Y, Y, Y, Z)],
        [(X, X)],
        [(X, X, X, X), (Y, Z)],
        [(X,)],
    ],
    ids=str,
)
def test_a_repeated_first_token_is_read_as_often_as_it_stands_there(rows):
    given = of_tokens(*rows)
    attack = SpearTextGated()
    found = attack(attack.observe(given.update))
    read = {tuple(row[row != 0].tolist()) for row in found.inputs.long()}
    assert read == set(rows)
    assert found.status is Status.EXACT


def test_a_repeated_token_beside_its_beginning_is_not_called_exact():
    given = of_tokens((X, X, Y), (X, X))
    attack = SpearTextGated()
    assert attack(attack.observe(given.update)).status is not Status.EXACT


def test_a_number_of_repeats_that_states_do_not_tell_is_not_certified():
    """States of (x, x, y) and (x, x, x, y) that are alike: none of the two is certified."""
    given = of_tokens((X, X, Y))
    observed = SpearTextGated().observe(given.update)
    inputs = observed.inputs
    states = inputs(torch.tensor([[X, X, X, Y]]))[0, 2:]
    whole, left = read_sequences(inputs, states, observed.vocabulary, 24)
    assert [each.tokens for each in whole] == [(X, X, X, Y)]
    assert (whole[0].certified, left) == (True, 0)
    model = observed.inputs.network
    with torch.no_grad():  # no attention: nothing tells them apart
        for each in model.modules():
            if type(each).__name__ == "LlamaAttention":
                each.o_proj.weight.zero_()
    states = inputs(torch.tensor([[X, X, X, Y]]))[0, 2:]
    found, left = read_sequences(inputs, states, observed.vocabulary, 24)
    assert not any(each.certified for each in found if len(each.tokens) > 1)
