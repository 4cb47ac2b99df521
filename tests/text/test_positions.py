"""Numbers of positions, and states of a batch that leaves no gradient."""

import dataclasses

import pytest
import torch
from support import language
from support import transformer as support

from spear.networks import language_training
from spear.scoring import truth_of
from spear.text.embeddings import first_position
from spear.transformer import block_at

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")


@pytest.mark.parametrize(("kind", "first"), [("bert", 0), ("roberta", 2), ("gpt2", 0)])
def test_the_first_position_is_behind_that_of_padding(kind, first):
    assert first_position(support.model(kind)) == first


def test_a_vocabulary_as_large_as_the_positions_is_none_of_them():
    import transformers as hf

    config = hf.BertConfig(
        vocab_size=64, max_position_embeddings=64, hidden_size=32, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=64, pad_token_id=0,
    )  # fmt: skip
    assert first_position(hf.BertModel(config)) == 0


def test_a_batch_without_any_gradient_has_no_states():
    given = language.shared("gpt2", "next_token")
    labels = torch.full_like(given.batch.labels, -100)
    labels[0, 0] = 5
    batch = dataclasses.replace(given.batch, labels=labels)
    with torch.no_grad():
        given.client.network.model.lm_head.weight.zero_()  # nothing is passed back
    block = block_at(given.client.network.model, 0)
    truth = truth_of(given.client, batch, None, None, block)
    assert truth.inputs.shape == (0, 64)
    assert truth.activation_gradients.shape == (256, 0)


def test_no_steps_read_no_sentences(monkeypatch):
    def read(*_):
        raise AssertionError

    monkeypatch.setattr(language_training, "Sentences", read)
    dataset = language.Sentences(objective="next_token")
    language.network("gpt2", "next_token", dataset, steps=0)
    with pytest.raises(AssertionError):
        language.network("gpt2", "next_token", dataset, steps=1)
