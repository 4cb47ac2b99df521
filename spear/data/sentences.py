"""Data sets of text: sentences that the package ships, paragraphs of them, and your own."""

from pathlib import Path

from spear.data.text import TextDataset
from spear.data.tokenizers import WORDS, shipped
from spear.errors import ConfigError, DatasetError


class Sentences(TextDataset):
    """300 short English sentences about six topics, written for this package.

    The class is the topic: home, health, work, travel, food or school, in this order.

    Args:
        tokenizer, objective, length: see `TextDataset`.
    """

    name = "sentences"

    def __init__(
        self, tokenizer: str = WORDS, objective: str = "classification", length: int = 24
    ) -> None:
        topics, texts = zip(*shipped(), strict=True)
        numbers = {topic: i for i, topic in enumerate(dict.fromkeys(topics))}
        super().__init__(texts, [numbers[each] for each in topics], tokenizer, objective, length)


class Paragraphs(TextDataset):
    """Paragraphs of shipped sentences: some in a row about one topic, which is the class.

    Args:
        tokenizer, objective, length: see `TextDataset`.
        sentences: of a paragraph; what is left of a topic's 50 is left out.

    Raises:
        ConfigError: there is no sentence, or are more than a topic has.
    """

    name = "paragraphs"

    def __init__(
        self,
        tokenizer: str = WORDS,
        objective: str = "classification",
        length: int = 48,
        sentences: int = 3,
    ) -> None:
        topics: dict[str, list[str]] = {}
        for topic, text in shipped():
            topics.setdefault(topic, []).append(text)
        most = min(map(len, topics.values()))
        if not 1 <= sentences <= most:
            raise ConfigError(
                f"sentences is {sentences}; expected 1 to {most}, as many as a topic has."
            )
        texts, classes = [], []
        for number, each in enumerate(topics.values()):
            starts = range(0, len(each) - sentences + 1, sentences)
            texts += [" ".join(each[i : i + sentences]) for i in starts]
            classes += [number] * len(starts)
        super().__init__(texts, classes, tokenizer, objective, length)


class TextFile(TextDataset):
    """Sentences of your own: a text file (UTF-8) with one a line.

    So that there is a loss of classification, sentence i has the *arbitrary* class i mod 2.

    Args:
        file: path of the file. Empty lines are left out, and repeated ones count once.
        tokenizer, objective, length: see `TextDataset`.

    Raises:
        DatasetError: the file is not given, cannot be read, or has no sentences.
    """

    name = "text_file"

    def __init__(
        self,
        file: str | None = None,
        tokenizer: str = WORDS,
        objective: str = "classification",
        length: int = 32,
    ) -> None:
        if file is None:
            raise DatasetError(
                "file is not given; expected the path of a text file with one sentence a line, "
                "such as dataset.file=mine.txt."
            )
        try:
            lines = Path(file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(
                f"file is {file!r}, which cannot be read as UTF-8 text ({error}); expected a text "
                "file with one sentence a line."
            ) from error
        texts = [*dict.fromkeys(each.strip() for each in lines if each.strip())]
        if not texts:
            raise DatasetError(
                f"file is {file!r}, which has no text; expected one sentence a line."
            )
        classes = [i % 2 for i in range(len(texts))]
        super().__init__(texts, classes, tokenizer, objective, length)
