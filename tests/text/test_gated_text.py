"""Jobs on gated blocks: Llama-like networks, their states, and their text."""

import dataclasses

import pytest
import torch
from support import language

from spear.errors import ConfigError, InvalidObservation, LayerError
from spear.inversion import SpearGatedBlock
from spear.networks import llama
from spear.reconstruction import Status
from spear.scoring.truth import truth_of
from spear.text import SpearTextGated

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


def test_a_first_token_that_repeats_leaves_one_state():
    """Rotary positions: (2), (2, 2) and so on have the same state."""
    given = language.shared("llama", "next_token")
    inputs = SpearTextGated().observe(given.update).inputs
    once, twice = inputs(torch.tensor([[2, 2]]))[0]
    torch.testing.assert_close(once, twice, rtol=1e-5, atol=1e-6)
