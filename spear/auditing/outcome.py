"""Result of an audit: the findings of all layers, and the text or images behind the update."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

from spear.auditing.findings import LayerFinding
from spear.auditing.pdf import pdf_of
from spear.auditing.verdicts import Verdict
from spear.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ReadText:
    """Text behind an update of a language model.

    Attributes:
        sequences: texts, or numbers of tokens without a tokenizer; those certified come first.
        certified: number of sequences whose states, by the model, are those of the update, and no
            other sequence's that was tried.
        complete: whether these explain all hidden states of the first block.
        obstacle: reason why none was read; empty if the attack ran.
    """

    sequences: tuple[str, ...] = field(repr=False)
    certified: int
    complete: bool
    obstacle: str = ""


@dataclass(frozen=True)
class SeenImages:
    """Images behind an update of a vision transformer.

    Attributes:
        images: those that are whole, then those with gaps, which are 0
            (k x channels x height x width).
        whole: number of whole ones.
        batch_size: images that leave a trace; 0 if nothing could be searched.
        most: the largest batch that equations of the first block tell.
        status: of the attack (`spear.Status`).
        seconds: wall time of the attack.
        obstacle: reason why nothing was searched; empty if the attack ran.
    """

    images: Tensor = field(repr=False)
    whole: int
    batch_size: int
    most: int
    status: str
    seconds: float = 0.0
    obstacle: str = ""


@dataclass(frozen=True)
class Audit:
    """Result of an audit.

    Attributes:
        layers: finding for each fully connected layer.
        notes: sentences about the network and the update as a whole, without a full stop.
        seconds: wall time of the audit.
        reading: what the update was taken for.
        read: text of a language model; None of another model.
        seen: images of a vision transformer; None of another model.
        premise: sentence without a full stop on which all findings rest, said before them; empty if
            there is none.
    """

    layers: tuple[LayerFinding, ...]
    notes: tuple[str, ...]
    seconds: float
    reading: str = ""
    read: ReadText | None = None
    seen: SeenImages | None = None
    premise: str = ""

    def __str__(self) -> str:
        """Return the report that `spear audit` prints."""
        from spear.auditing.report import text  # which imports this module

        return text(self).rstrip("\n")

    def __repr__(self) -> str:
        """Return the verdicts on one line."""
        layers = ", ".join(f"{layer.name}: {layer.verdict}" for layer in self.layers)
        return f"<Audit {self.verdict} ({layers or 'no layers'})>"

    def _repr_html_(self) -> str:
        """Return the verdict and a row per layer, for a notebook; `to_html` has all of it."""
        rows = self.to_frame().to_html(index=False, border=0)
        return f"<p><b>{self.verdict}</b>, {self.seconds:.1f} s</p>{rows}"

    def to_frame(self) -> "pd.DataFrame":
        """Return a data frame with a row per layer: its size, the verdict and what was found."""
        import pandas as pd  # which only those wait for who want a frame

        columns = ("layer", "m", "n", "verdict", "found", "candidates", "seconds", "reasons")
        rows = [
            (
                layer.name, layer.m, layer.n, str(layer.verdict),
                layer.recovery.found if layer.recovery else 0,
                layer.recovery.candidates if layer.recovery else 0,
                layer.recovery.seconds if layer.recovery else 0.0,
                "; ".join(layer.reasons),
            )
            for layer in self.layers
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=list(columns))

    def to_html(self, columns: list[str] | None = None) -> str:
        """Return the page that `spear audit --html` writes, with the inputs found.

        Args:
            columns: names of the model's inputs, if these are rows of a table.

        Raises:
            ConfigError: columns is a text, such as a file's name.
        """
        if isinstance(columns, str):
            raise ConfigError(
                f"columns is {columns!r}; expected a list of names. The page is returned: write it "
                "with pathlib.Path(...).write_text(page), or use `spear audit --html FILE`."
            )
        from spear.auditing.report import html  # which imports this module

        return html(self, columns)

    def to_pdf(self, columns: list[str] | None = None) -> bytes:
        """Return that page as a PDF file.

        Args:
            columns: as in `to_html`.

        Raises:
            ConfigError: see `to_html`.
            NoPDF: WeasyPrint cannot be loaded (`pip install "spear-suite[pdf]"`).
        """
        return pdf_of(self.to_html(columns))

    @property
    def verdict(self) -> Verdict:
        """Verdict on the layer that is worst for the client; `NOT_APPLICABLE` without layers."""
        order = list(Verdict)
        found = [order.index(layer.verdict) for layer in self.layers]
        return order[min(found)] if found else Verdict.NOT_APPLICABLE

    def __getitem__(self, name: str) -> LayerFinding:
        """Return the finding of the layer called `name`.

        Raises:
            KeyError: there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)

    @property
    def consequences(self) -> dict[str, tuple[str, ...]]:
        """Layers that leak through another one: their inputs follow from the inputs of that one.

        A layer whose inputs are exact -> layers whose inputs are not, but whose update the model
        gives for those exact inputs.
        """
        exact = [layer for layer in self.layers if layer.verdict is Verdict.EXACT]
        others = [layer for layer in self.layers if layer.verdict is not Verdict.EXACT]
        given = {
            layer.name: tuple(each.name for each in others if layer.explains(each))
            for layer in exact
        }
        return {name: names for name, names in given.items() if names}

    def to_dict(self) -> dict[str, Any]:
        """Return the audit for JSON, without reconstructed inputs."""
        return {
            "verdict": str(self.verdict),
            "update": self.reading,
            "seconds": self.seconds,
            "notes": [*filter(None, [self.premise]), *self.notes],
            "consequences": {name: list(each) for name, each in self.consequences.items()},
            "layers": [layer.to_dict() for layer in self.layers],
            **({} if self.read is None else {"text": _counts(self.read)}),
            **({} if self.seen is None else {"images": _numbers(self.seen)}),
        }


def _counts(read: ReadText) -> dict[str, Any]:
    """What was read, without the text itself."""
    return {
        "sequences": len(read.sequences),
        "certified": read.certified,
        "complete": read.complete,
        "obstacle": read.obstacle,
    }


def _numbers(seen: SeenImages) -> dict[str, Any]:
    """What was seen, without the images themselves."""
    return {
        "batch_size": seen.batch_size,
        "whole": seen.whole,
        "most": seen.most,
        "status": seen.status,
        "obstacle": seen.obstacle,
    }
