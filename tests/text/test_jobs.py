"""Attacks on text as jobs have them: an update of padded sentences, the truth, and the scores."""

import dataclasses
import math

import pytest
import torch
from support import language
from torch import nn

from spear.client.client import Client
from spear.client.defenses import GaussianNoise
from spear.data import Digits, Sentences, TextFile
from spear.errors import ConfigError, VictimError
from spear.inversion import SpearBlock
from spear.networks import check_takes, fcnn, pretrained
from spear.reconstruction import Status
from spear.scoring import Scorer, metrics_of, standard_metrics, truth_of
from spear.text import Dager, SpearText, nearest
from spear.text.dager import TokensInSpan
from spear.transformer import LanguageModel, inner_model

pytest.importorskip("transformers", reason="`make test-text` installs Transformers")

each = pytest.mark.parametrize(("kind", "objective"), language.EACH)
DECODERS = [pair for pair in language.EACH if pair[0] != "bert"]


def attacked(attack, given):
    attack.check(given.client.network, given.dataset.domain)
    return attack(attack.observe(given.update))


def scored(found, given, block=None):
    truth = truth_of(given.client, given.batch, None, given.update, block)
    metrics = [*standard_metrics(), *metrics_of(given.dataset)]
    scorer = Scorer(given.dataset, metrics, first_layer=block is None)
    return scorer(found, truth), truth


# The networks.


@each
def test_scores_are_of_classes_or_of_tokens_at_each_position(kind, objective):
    dataset = Sentences(objective=objective)
    network = language.network(kind, objective, dataset)
    batch = dataset.batch(3, torch.Generator().manual_seed(0))
    scores = network(batch.inputs)
    if objective == "classification":
        assert scores.shape == (3, 6)
    else:
        assert scores.shape == (3, len(dataset.tokenizer), 24)
    assert math.isfinite(nn.CrossEntropyLoss()(scores, batch.labels).item())


@each
def test_padding_changes_nothing(kind, objective):
    """The loss and gradient of a sentence are the same whatever length it is filled up to."""
    short, long = (Sentences(objective=objective, length=n) for n in (14, 24))
    network = language.network(kind, objective, long)
    losses = []
    for dataset in (short, long):
        batch = dataset.collected([3, 120])
        loss = nn.CrossEntropyLoss()(network(batch.inputs), batch.labels)
        losses.append((loss, torch.autograd.grad(loss, next(network.parameters()))[0]))
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-7)


@each
def test_weights_come_from_the_seed_alone(kind, objective):
    dataset = Sentences(objective=objective)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = language.network(kind, objective, dataset, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again = language.network(kind, objective, dataset, seed=3)
    other = language.network(kind, objective, dataset, seed=4)
    same = zip(first.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in same)
    assert any(
        not torch.equal(*pair) for pair in zip(first.parameters(), other.parameters(), strict=True)
    )


def test_dropout_comes_from_the_seed_and_the_batch_alone():
    dataset = Sentences(objective="next_token")
    network = language.network("gpt2", "next_token", dataset, training=True)
    batch = dataset.batch(2, torch.Generator().manual_seed(0)).inputs
    torch.manual_seed(5)
    first = network(batch)
    before = torch.get_rng_state()
    assert torch.equal(network(batch), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(network.eval()(batch), first)


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("bert", {"objective": "next_token"}, "objective is 'next_token'; expected one of"),
        ("gpt2", {"objective": "masked"}, "objective is 'masked'; expected one of"),
        ("opt", {"width": 30}, "heads is 4; expected a number that divides the width, 30"),
        ("gpt2", {"depth": 0}, "depth is 0; expected at least 1"),
        ("bert", {"spread": 0}, "spread is 0; expected more than 0"),
    ],
)
def test_settings_out_of_range_are_refused(kind, settings, words):
    with pytest.raises(ConfigError, match=f"^{words}"):
        language.MAKERS[kind]((24,), 6, **settings)


def test_a_network_of_tokens_needs_tokens_and_one_of_numbers_numbers():
    sentences, digits = Sentences(), Digits()
    tokens = language.network("bert", "classification", sentences)
    numbers = fcnn(digits.input_shape, 10)
    check_takes(tokens, sentences.domain, "sentences")
    check_takes(numbers, digits.domain, "digits")
    with pytest.raises(ConfigError, match=r"'sentences' has sentences.*choose network=bert"):
        check_takes(numbers, sentences.domain, "sentences")
    with pytest.raises(ConfigError, match=r"'digits' has none; choose dataset=sentences"):
        check_takes(tokens, digits.domain, "digits")
    with pytest.raises(ConfigError, match=r"have shape \(1, 8, 8\); choose dataset=sentences"):
        language.MAKERS["gpt2"](digits.input_shape, 10)


def test_a_model_of_a_folder_needs_its_own_tokenizer(tmp_path):
    with pytest.raises(ConfigError, match=r"^tokenizer is 'words', but a trained model has one"):
        pretrained((24,), 6, folder=str(tmp_path), tokenizer="words")
    with pytest.raises(ConfigError, match=r"^folder is .*; expected minilm, or a folder"):
        pretrained((24,), 6, folder=str(tmp_path), tokenizer=str(tmp_path))


def test_a_folder_of_transformers_is_a_network_and_its_tokenizer(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    import transformers as hf

    words = {"[PAD]": 0, "[UNK]": 1, "<end>": 2, "the": 3, "cat": 4, "sleeps": 5, ".": 6}
    own = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    own.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    hf.PreTrainedTokenizerFast(
        tokenizer_object=own, unk_token="[UNK]", eos_token="<end>"
    ).save_pretrained(tmp_path)
    config = hf.GPT2Config(vocab_size=7, n_embd=32, n_layer=1, n_head=2, n_positions=24)
    hf.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    dataset = Sentences(tokenizer=str(tmp_path), objective="next_token")
    assert dataset.tokenizer.padding == 2  # the end stands for it
    assert dataset.tokenizer.mask is None
    text = "the cat sleeps"
    assert dataset.tokenizer.decode(dataset.tokenizer.encode(text, 9)) == text
    files = {"folder": str(tmp_path), "tokenizer": str(tmp_path)}
    network = pretrained(dataset.input_shape, 6, **files, objective="next_token")
    assert network(dataset.collected([0]).inputs).shape == (1, 7, 24)
    with pytest.raises(ConfigError, match=r"^objective is 'masked', but the tokenizer has no"):
        Sentences(tokenizer=str(tmp_path), objective="masked")
    with pytest.raises(ConfigError, match=r"^folder is .* cannot be loaded for objective=masked"):
        pretrained((24,), 6, str(tmp_path), objective="masked", tokenizer=str(tmp_path))


# Positions.


@each
def test_positions_without_a_gradient_are_named(kind, objective):
    given = language.shared(kind, objective, b=3)
    truth = truth_of(given.client, given.batch, None, given.update)
    leaving = given.batch.inputs != given.dataset.tokenizer.padding
    if objective == "next_token":  # the last token predicts nothing
        leaving = given.batch.labels >= 0
    assert torch.equal(truth.positions.leaving, leaving)
    assert len(truth.positions.without_gradient) == int((~leaving).sum())


def test_equal_states_of_a_decoder_are_one_row_of_the_truth():
    given = language.shared("gpt2", "next_token", b=3)
    attack = SpearBlock()
    truth = truth_of(
        given.client, given.batch, None, given.update, attack.block_of(given.client.network)
    )
    (rows, width), m = truth.inputs.shape, truth.activation_gradients.shape[0]
    assert rows == int(truth.positions.leaving.sum()) - 2  # [CLS] begins all three
    assert (width, m) == (64, 256)
    product = truth.activation_gradients @ truth.inputs
    torch.testing.assert_close(product, truth.weight_update, rtol=1e-3, atol=1e-7)


# Exact attacks.


@each
def test_every_sentence_is_read_exactly(kind, objective):
    given = language.shared(kind, objective)
    found = attacked(SpearText(), given)
    told = objective != "masked"  # else nothing tells that the batch has no more sentences
    assert found.status is (Status.EXACT if told else Status.APPROXIMATE)
    assert found.details["certified"] == found.batch_size == 2
    assert found.details["residual"] < 1e-4 if told else "residual" not in found.details
    assert found.details["unexplained"] == 0
    score, _ = scored(found, given)
    assert score["exact"] is True
    assert score["token_accuracy"] == score["sequences_exact"] == score["positions_exact"] == 1
    assert score["rouge1"] == score["rouge2"] == 1
    assert score["state_error"] < 1e-4
    assert sorted(given.dataset.domain.texts(found.inputs.long())) == given.texts


def test_the_same_seed_reads_the_same_text():
    given = language.shared("gpt2", "next_token")
    first, again = (attacked(SpearText(), given) for _ in range(2))
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.states, again.states)


def test_dropout_leaves_states_and_no_text():
    given = language.shared("opt", "next_token", training=True)
    found = attacked(SpearText(), given)
    assert found.status is Status.PARTIAL
    assert found.batch_size == found.details["certified"] == 0
    assert found.details["unexplained"] == found.details["states"] > 10
    score, _ = scored(found, given)
    assert score["positions_exact"] == 1
    assert score["sequences_exact"] == score["token_accuracy"] == 0


@pytest.mark.parametrize(("kind", "objective"), language.EACH)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("block", [0, 1])
def test_hidden_states_of_each_block_are_exact(kind, objective, block, training):
    given = language.shared(kind, objective, training=training, depth=3)
    attack = SpearBlock(block)
    found = attacked(attack, given)
    assert found.status is Status.EXACT
    score, truth = scored(found, given, attack.block_of(given.client.network))
    assert found.batch_size == len(truth.inputs)
    assert score["positions_exact"] == 1
    assert score["state_error"] < 1e-3
    assert score["mse"] < 1e-6
    assert math.isnan(score["token_accuracy"])


def test_noise_is_never_called_exact():
    noise = GaussianNoise(noise_std=1e-5)
    given = language.shared("gpt2", "next_token", defense=noise)
    found = attacked(SpearText(time_limit=2), given)
    assert found.status is not Status.EXACT


def test_more_tokens_than_the_model_is_wide_are_never_called_exact():
    given = language.shared("gpt2", "next_token", b=12)
    found = attacked(SpearText(time_limit=2), given)
    assert found.status in (Status.FULL_RANK, Status.TIMED_OUT, Status.PARTIAL)


# DAGER.


@pytest.mark.parametrize(("kind", "objective"), [("gpt2", "next_token"), ("opt", "next_token")])
def test_dager_reads_a_decoder_by_its_second_test(kind, objective):
    given = language.shared(kind, objective)
    found = attacked(Dager(sequences=2), given)
    assert found.status is Status.ESTIMATED
    score, _ = scored(found, given)
    assert score["sequences_exact"] == score["rouge2"] == 1
    assert math.isnan(score["positions_exact"])


@pytest.mark.parametrize(("kind", "objective"), [*DECODERS, ("bert", "classification")])
def test_dager_reads_a_single_sentence_of_every_model(kind, objective):
    given = language.shared(kind, objective, b=1)
    score, _ = scored(attacked(Dager(), given), given)
    assert score["exact"] is True


def test_dager_does_not_tell_sentences_of_an_encoder_apart():
    given = language.shared("bert", "classification", b=4)
    found = attacked(Dager(sequences=4), given)
    score, _ = scored(found, given)
    exact, _ = scored(attacked(SpearText(), given), given)
    assert score["sequences_exact"] < 1
    assert 0 < score["token_accuracy"] < exact["token_accuracy"] == 1


def test_the_nearest_tokens_make_up_as_many_sequences_as_there_are():
    within = TokensInSpan(((1, 2, 3), (4,), (5, 6)), ((0.0,) * 3, (0.0,), (0.0,) * 2), 1.0, 4)
    assert nearest(within, 2) == [(1, 4, 5), (2, 4, 6)]
    assert nearest(within, 9) == [(1, 4, 5), (2, 4, 6), (3, 4, 6)]
    assert nearest(TokensInSpan((), (), 1.0, 0), 3) == []


@pytest.mark.parametrize("settings", [{"sequences": 0}, {"beam": 0}])
def test_dager_refuses_settings_below_one(settings):
    with pytest.raises(ConfigError, match="expected at least 1"):
        Dager(**settings)


# Bad victims.


def test_the_model_inside_is_attacked_whatever_is_around_it():
    given = language.shared("gpt2", "next_token")
    model, gradients = inner_model(given.client.network, given.update.gradients)
    assert isinstance(given.client.network, LanguageModel)
    assert model is given.client.network.model
    assert set(gradients) == {name for name, _ in model.named_parameters()}
    wrapped = nn.DataParallel(given.client.network)
    assert inner_model(wrapped, {})[0] is model


@pytest.mark.parametrize("attack", [SpearText(), Dager(), SpearBlock()])
def test_a_network_of_numbers_is_refused(attack):
    digits = Digits()
    with pytest.raises(VictimError, match=r"choose (dataset=sentences and )?network=bert"):
        attack.check(fcnn(digits.input_shape, 10), digits.domain)


# The whole batch.


def of_file(tmp_path, lines, objective="next_token", **settings):
    path = tmp_path / "mine.txt"
    path.write_text("\n".join(lines))
    dataset = TextFile(str(path), objective=objective, length=12)
    client = Client(language.network("gpt2", objective, dataset, **settings), domain=dataset.domain)
    batch = dataset.collected(range(len(lines)))
    return language.Shared(dataset, client, batch, client.share(batch))


def test_a_beginning_of_another_sentence_is_never_lost_in_an_exact_batch(tmp_path):
    given = of_file(tmp_path, ["we sold the house", "we sold the house to a couple"])
    found = attacked(SpearText(), given)
    assert found.details["unexplained"] == 0  # all its states are those of the other
    assert found.batch_size == 1
    assert found.details["residual"] > 0.1
    assert found.status is Status.PARTIAL


@pytest.mark.parametrize("objective", ["next_token", "classification"])
def test_equal_tokens_of_different_sentences_are_no_exact_batch(objective, tmp_path):
    lines = ["We sold the house", "we sold the house", "my brother sleeps"]
    given = of_file(tmp_path, lines, objective)
    found = attacked(SpearText(), given)
    assert found.batch_size == 2
    assert found.status is Status.PARTIAL


@pytest.mark.parametrize("objective", ["next_token", "classification"])
def test_the_gradient_of_the_right_sentences_is_the_shared_one(objective, tmp_path):
    lines = ["we sold the house", "my brother sleeps", "the gate is open"]
    given = of_file(tmp_path, lines, objective)
    found = attacked(SpearText(), given)
    assert found.status is Status.EXACT
    assert found.details["residual"] < 1e-4
    clipped = dataclasses.replace(
        given.update, gradients={k: 0.1 * v for k, v in given.update.gradients.items()}
    )
    attack = SpearText()
    again = attack(attack.observe(clipped))
    assert again.status is Status.EXACT


# After training.


@each
def test_some_steps_lower_the_loss_and_depend_on_the_seed_alone(kind, objective):
    dataset = Sentences(objective=objective)
    batch = dataset.batch(64, torch.Generator().manual_seed(0))
    losses = {}
    for steps in (0, 15):
        network = language.network(kind, objective, dataset, steps=steps, seed=1)
        losses[steps] = nn.CrossEntropyLoss()(network(batch.inputs), batch.labels).item()
        assert not network.training
    assert losses[15] < losses[0]
    torch.manual_seed(7)
    again = language.network(kind, objective, dataset, steps=15, seed=1)
    same = zip(network.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in same)
    assert all(each.grad is None for each in again.parameters())


def test_sentences_are_read_after_training():
    given = language.shared("opt", "next_token", steps=40)
    found = attacked(SpearText(), given)
    score, _ = scored(found, given)
    assert found.status is Status.EXACT
    assert score["token_accuracy"] == 1


@pytest.mark.parametrize(
    ("settings", "n_classes", "words"),
    [
        ({"steps": -1}, 6, "steps is -1; expected at least 0"),
        (
            {"steps": 5, "objective": "classification"},
            2,
            "steps is 5, but the data set has 2 c",
        ),
    ],
)
def test_steps_that_cannot_be_trained_are_refused(settings, n_classes, words):
    with pytest.raises(ConfigError, match=f"^{words}"):
        language.MAKERS["gpt2"]((24,), n_classes, width=16, **settings)
