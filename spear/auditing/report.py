"""Reports of an audit: text, JSON, and an HTML page that needs no other file."""

import base64
import io
import json
from importlib.resources import files

import numpy as np
from jinja2 import Environment, select_autoescape
from PIL import Image
from torch import Tensor

from spear.auditing.explain import ADVICE, headline, notes, sentences
from spear.auditing.findings import LayerFinding
from spear.auditing.outcome import Audit, SeenImages

MOST_PICTURES = 64
MOST_ROWS = 32
MOST_COLUMNS = 24
SMALLEST_PICTURE = 96
"""Least side of an image, in pixels; smaller ones are magnified."""


def text(audit: Audit) -> str:
    """Return the audit as text for a terminal: its premise, the headline, then each layer."""
    lines = [f"Note: {audit.premise}.", ""] if audit.premise else []
    lines += [headline(audit), ""]
    for layer in audit.layers:
        lines.append(f"{layer.name} ({layer.n} to {layer.m}): {layer.verdict}")
        lines += [f"  {sentence}" for sentence in sentences(layer)]
        lines.append("")
    lines += notes(audit)
    lines += [f"Audited in {audit.seconds:.1f} s. {ADVICE[audit.verdict]}"]
    return "\n".join(lines) + "\n"


def as_json(audit: Audit) -> str:
    """Return the findings as JSON, without the reconstructed inputs."""
    return json.dumps(audit.to_dict(), indent=2, allow_nan=False) + "\n"


def html(audit: Audit, columns: list[str] | None = None) -> str:
    """Return an HTML page that contains the recovered images, or the rows of a recovered table.

    Args:
        audit: the findings.
        columns: names of the model's inputs, if these are rows of a table.
    """
    environment = Environment(autoescape=select_autoescape(default=True))
    source = files("spear.auditing").joinpath("page.html").read_text(encoding="utf-8")
    template = environment.from_string(source)
    layers = [
        {
            "finding": layer,
            "sentences": sentences(layer),
            "pictures": pictures(layer),
            "rows": [] if pictures(layer) else _rows(layer),
            "columns": _columns(layer, columns),
        }
        for layer in audit.layers
    ]
    return template.render(
        audit=audit,
        headline=headline(audit),
        advice=ADVICE[audit.verdict],
        layers=layers,
        images=[] if audit.seen is None else [_png(each) for each in _shown(audit.seen)],
        notes=notes(audit),
    )


def pictures(layer: LayerFinding) -> list[str]:
    """Return the recovered inputs as PNG data URLs; none if they are no images (1 or 3 channels).

    The grey values or colours of each are stretched from its least to its greatest value.
    """
    shape, recovery = layer.shape, layer.recovery
    if recovery is None or shape is None or len(shape) != 3 or shape[0] not in (1, 3):
        return []
    return [
        _png(each.view(shape))
        for each in recovery.inputs[: min(recovery.candidates, MOST_PICTURES)]
    ]


def _shown(seen: SeenImages) -> Tensor:
    return seen.images[:MOST_PICTURES] if seen.images.shape[1] in (1, 3) else seen.images[:0]


def _png(picture: Tensor) -> str:
    low, high = float(picture.min()), float(picture.max())
    values = ((picture - low) / (high - low if high > low else 1.0) * 255).round()
    pixels = values.permute(1, 2, 0).numpy().astype(np.uint8)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    factor = max(1, -(-SMALLEST_PICTURE // max(image.size)))
    buffer = io.BytesIO()
    image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST).save(
        buffer, "PNG", optimize=True
    )
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _rows(layer: LayerFinding) -> list[list[str]]:
    recovery = layer.recovery
    if recovery is None:
        return []
    shown = recovery.inputs[: min(recovery.candidates, MOST_ROWS), :MOST_COLUMNS]
    return [[f"{value:.4g}" for value in row] for row in shown.tolist()]


def _columns(layer: LayerFinding, names: list[str] | None) -> list[str]:
    if names is None or layer.shape is None or len(names) != layer.n:
        names = [f"input {i}" for i in range(layer.n)]
    return names[:MOST_COLUMNS]
