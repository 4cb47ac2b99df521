"""Updates of fine-tuning as people do it: accumulated, clipped, rounded, frozen in part."""

import dataclasses
from contextlib import suppress

import pytest
import torch
from support import language

from spear.client import FedAvg, LocalAdam, LocalAdamW
from spear.client.client import Client
from spear.data import Batch
from spear.errors import InvalidObservation, LayerError
from spear.reconstruction import Status
from spear.text import Dager, SpearText

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")


def attacked(update, attack=None):
    attack = attack or SpearText(time_limit=20)
    return attack(attack.observe(update))


def texts(given, found):
    return sorted(given.dataset.domain.texts(found.inputs.long()))


def changed(given, change):
    gradients = {name: change(each) for name, each in given.update.gradients.items()}
    return dataclasses.replace(given.update, gradients=gradients)


def accumulated(given):
    """The mean of the gradients of batches of one sentence."""
    rows = zip(given.batch.inputs, given.batch.labels, strict=True)
    parts = [given.client.share(Batch(x[None], y[None])).gradients for x, y in rows]
    means = {name: sum(each[name] for each in parts) / len(parts) for name in parts[0]}
    return dataclasses.replace(given.update, gradients=means)


@pytest.mark.parametrize("kind", ["bert", "opt"])
def test_accumulated_gradients_of_classes_are_those_of_the_batch(kind):
    given = language.shared(kind, "classification", b=3)
    found = attacked(accumulated(given))
    assert found.status is Status.EXACT
    assert texts(given, found) == given.texts


def test_accumulated_gradients_of_tokens_weigh_sentences_and_prove_nothing():
    """A mean of means counts the tokens of short sentences more."""
    given = language.shared("gpt2", "next_token", b=3)
    lengths = (given.batch.labels >= 0).sum(dim=1)
    assert len(lengths.unique()) > 1
    found = attacked(accumulated(given))
    assert found.status is Status.PARTIAL
    assert found.details["residual"] > 1e-2
    assert texts(given, found) == given.texts


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_the_length_of_a_clipped_gradient_does_not_matter(kind):
    given = language.shared(kind, "classification")
    found = attacked(changed(given, lambda gradient: 1e-3 * gradient))
    assert found.status is Status.EXACT
    assert texts(given, found) == given.texts


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_half_precision_is_never_called_exact(kind, dtype):
    given = language.shared(kind, "classification")
    scale = 1024.0 if dtype == torch.float16 else 1.0  # as a gradient scaler has it
    rounded = changed(given, lambda gradient: (scale * gradient).to(dtype).float() / scale)
    found = None
    with suppress(InvalidObservation):  # its noise spans everything
        found = attacked(rounded, SpearText(time_limit=3))
    assert found is None or found.status is not Status.EXACT


def test_a_step_of_adam_is_never_called_exact():
    given = language.shared("gpt2", "next_token")
    stepped = changed(given, lambda gradient: gradient / (gradient.abs() + 1e-8))
    assert attacked(stepped, SpearText(time_limit=3)).status is not Status.EXACT


@pytest.mark.parametrize("optimizer", [LocalAdam(), LocalAdamW()])
def test_a_first_step_that_is_undone_in_float32_is_never_called_exact(optimizer):
    """The weights' rounding hides how far a step of nearly the learning rate is from it."""
    given = language.shared("gpt2", "next_token")
    client = Client(
        given.client.network,
        fedavg=FedAvg(1, 0.01, optimizer=optimizer),
        domain=given.dataset.domain,
    )
    found = attacked(client.share(given.batch), SpearText(time_limit=3))
    assert found.status is not Status.EXACT


def frozen(given, *pieces):
    left = {k: v for k, v in given.update.gradients.items() if not any(p in k for p in pieces)}
    assert len(left) < len(given.update.gradients)
    return dataclasses.replace(given.update, gradients=left)


def test_a_decoder_with_frozen_embeddings_and_attention_is_read():
    given = language.shared("gpt2", "next_token")
    found = attacked(frozen(given, "wte", "wpe", "attn"))
    assert found.status is Status.EXACT
    assert texts(given, found) == given.texts


def test_a_frozen_first_block_is_refused():
    given = language.shared("gpt2", "next_token")
    with pytest.raises(LayerError, match=r"h\.0\.mlp\.c_fc\.weight has no gradient"):
        attacked(frozen(given, "h.0.mlp.c_fc.weight"))


def test_dager_without_a_second_attention_has_its_first_test_alone():
    given = language.shared("gpt2", "next_token", b=1)
    observation = Dager().observe(frozen(given, "h.1.attn.c_attn"))
    assert observation.second is None
    assert texts(given, Dager()(observation)) == given.texts
