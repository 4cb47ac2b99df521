"""Audit of language models: a verdict for each block, and the text."""

import json
import sys

import pytest
import torch
from safetensors.torch import save_file
from support import language
from support.command import typed

import spear
from spear.auditing import run
from spear.auditing.outcome import ReadText
from spear.auditing.report import as_json, html, text
from spear.auditing.text import read_text
from spear.client.client import Client
from spear.data import Sentences
from spear.networks import pretrained
from spear.transformer import inner_model
from spear.transformer.library import PACKAGE

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")

BLOCKS = {
    "bert": "bert.encoder.layer.{}.intermediate.dense",
    "gpt2": "transformer.h.{}.mlp.c_fc",
    "opt": "model.decoder.layers.{}.fc1",
}


def update_of(kind, objective, **settings):
    given = language.shared(kind, objective, **settings)
    return given, *inner_model(given.client.network, given.update.gradients)


@pytest.mark.parametrize(
    ("kind", "objective"),
    [("bert", "classification"), ("gpt2", "next_token"), ("opt", "next_token")],
)
def test_each_block_and_the_text_leak(kind, objective):
    given, model, gradients = update_of(kind, objective)
    found = spear.audit(model, gradients, budget=8, tokenizer=given.dataset.tokenizer)
    for block in (0, 1):
        assert found[BLOCKS[kind].format(block)].verdict == "consistent"
    assert found.read.certified == len(found.read.sequences) == 2
    assert found.read.complete
    assert sorted(found.read.sequences) == given.texts
    page, said, counts = html(found), text(found), json.loads(as_json(found))
    assert "2 of 2 certified" in page
    assert "sequences of tokens read from the first block: 2; certified: 2" in said
    assert counts["text"] == {"sequences": 2, "certified": 2, "complete": True, "obstacle": ""}
    for sentence in given.texts:
        assert sentence in page
        assert sentence not in said  # as the inputs of other models: in the page alone
        assert sentence not in as_json(found)


def test_a_search_that_ran_out_of_time_says_so(monkeypatch):
    """It is not called dropout; and layers leave the text a share of the budget."""
    given, model, gradients = update_of("bert", "classification", b=3)
    found = read_text(model, gradients, given.dataset.tokenizer, 1e-6, 0)
    assert found.sequences == ()
    assert "used up its" in found.obstacle
    seen = []
    monkeypatch.setattr(run, "read_text", lambda *a: seen.append(a[3]) or ReadText((), 0, False))
    spear.audit(model, gradients, budget=2)
    assert seen[0] >= 2 * run.TEXT_SHARE


def test_without_a_tokenizer_tokens_are_numbers():
    given, model, gradients = update_of("gpt2", "next_token", b=1)
    found = spear.audit(model, gradients, budget=8)
    (numbers,) = found.read.sequences
    tokens = given.batch.inputs[0]
    expected = tokens[tokens != given.dataset.tokenizer.padding][:-1]
    assert numbers == " ".join(map(str, expected.tolist()))


def test_dropout_leaves_no_text_and_says_so():
    _, model, gradients = update_of("gpt2", "next_token", training=True)
    found = spear.audit(model, gradients, budget=8)
    assert found.read.sequences == ()
    assert "as with dropout" in text(found)
    assert "<h2>The text" not in html(found)


def test_a_frozen_block_is_no_text_and_no_error():
    _, model, gradients = update_of("gpt2", "next_token")
    for name in list(gradients):
        if "mlp" in name:
            del gradients[name]
    found = spear.audit(model, gradients, budget=8)
    assert "No text was read: transformer.h.0.mlp.c_fc.weight has no gradient" in text(found)


def test_other_models_have_no_text():
    network = torch.nn.Sequential(torch.nn.Linear(4, 30), torch.nn.ReLU(), torch.nn.Linear(30, 3))
    gradients = {k: torch.randn_like(p) for k, p in network.named_parameters()}
    found = spear.audit(network, gradients, form="gradients", budget=1)
    assert found.read is None
    assert "text" not in json.loads(as_json(found))


def test_a_function_that_returns_a_batch_is_compared_with_the_truth():
    given, model, _ = update_of("gpt2", "classification", b=1)
    tokens = given.batch.inputs[:, : int((given.batch.inputs != 0).sum())]

    def loss(outputs, labels):
        return torch.nn.functional.cross_entropy(outputs.logits, labels)

    found = spear.audit(
        model, lambda: ({"input_ids": tokens}, given.batch.labels), loss=loss, budget=8
    )
    assert found[BLOCKS["gpt2"].format(0)].recovery.error < 1e-4


FACTORY = """
from support import language
from spear.data import Sentences

def make():
    return language.network("gpt2", "next_token", Sentences(objective="next_token")).model
"""


def test_the_command_writes_the_text_into_the_page(tmp_path, monkeypatch, capfd):
    given, _, gradients = update_of("gpt2", "next_token")
    (tmp_path / "mymodels.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    save_file({k: v.contiguous() for k, v in gradients.items()}, "update.safetensors")
    outcome = typed(
        monkeypatch, capfd, "spear", "audit", "--model", "mymodels:make", "--update",
        "update.safetensors", "--eval", "--html", "page.html", "--tokenizer", "words",
    )  # fmt: skip
    assert outcome.code == 0, outcome.error
    assert "certified: 2" in outcome.out
    page = (tmp_path / "page.html").read_text()
    assert all(sentence in page for sentence in given.texts)


TRAINED = """
from spear.networks import pretrained

def minilm():
    return pretrained((24,), 6).model
"""


@pytest.mark.slow
def test_the_command_reads_four_sentences_from_an_update_of_minilm(tmp_path, monkeypatch, capfd):
    pytest.importorskip(PACKAGE, reason="`make test-text-slow` installs MiniLM")
    (tmp_path / "mymodels.py").write_text(TRAINED)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    dataset = Sentences(tokenizer="minilm")
    client = Client(pretrained(dataset.input_shape, 6), domain=dataset.domain)
    batch = dataset.batch(4, torch.Generator().manual_seed(0))
    model, gradients = inner_model(client.network, client.share(batch).gradients)
    save_file({k: v.contiguous() for k, v in gradients.items()}, "update.safetensors")
    save_file(
        {k: v.clone().contiguous() for k, v in model.state_dict().items()}, "before.safetensors"
    )
    outcome = typed(
        monkeypatch, capfd, "spear", "audit", "--model", "mymodels:minilm", "--weights",
        "before.safetensors", "--update", "update.safetensors", "--eval", "--html", "page.html",
        "--tokenizer", "minilm", "--budget", "600",
    )  # fmt: skip
    assert outcome.code == 0, outcome.error
    for block in range(6):
        name = f"bert.encoder.layer.{block}.intermediate.dense"
        assert f"{name} (384 to 1536): consistent" in outcome.out
    assert "bert.pooler.dense (384 to 384): exact" in outcome.out
    assert "read from the first block: 4; certified: 4" in outcome.out
    page = (tmp_path / "page.html").read_text()
    assert all(sentence in page for sentence in dataset.domain.texts(batch.inputs))
