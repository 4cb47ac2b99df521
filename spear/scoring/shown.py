"""Content of figures and tables: images, rows or texts of a batch, and their reconstructions."""

import csv
import io

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from spear.data.tabular import TableDomain, side_by_side
from spear.data.text import TextDomain
from spear.scoring.matched import Matched, in_float64


def shown_images(matched: Matched) -> tuple[Tensor, Tensor] | None:
    """Return the original images and, in their order, the reconstructed ones.

    Returns:
        Two stacks b x C x H x W, de-normalised and clipped to [0, 1], or None if the attacked
        layer's inputs are not images.
    """
    if not matched.are_images:
        return None
    return matched.true.clamp(0.0, 1.0), matched.found.clamp(0.0, 1.0)


def shown_rows(matched: Matched) -> tuple[TableDomain, Tensor, Tensor] | None:
    """Return the original rows of a table and, in their order, the reconstructed ones.

    Rows are matched so that the fewest entries are wrong
    (`spear.data.tabular.TableDomain.distances`).

    Returns:
        The table's domain and two stacks of values (b x features, `TableDomain.values`), or None
        if the attacked layer's inputs are not rows of a table.
    """
    table = matched.dataset.domain
    if not isinstance(table, TableDomain) or not matched.are_inputs:
        return None
    inputs = in_float64(matched.reconstruction.inputs)
    inputs = inputs[inputs.isfinite().all(dim=1)]
    true = in_float64(matched.truth.inputs)
    # What is missing is a row of zeros, as for the other metrics.
    inputs = torch.cat([inputs, torch.zeros_like(true)[len(inputs) :]])
    values, found = table.values(true), table.values(inputs)
    _, order = linear_sum_assignment(table.distances(found, values).numpy())
    return table, values, found[torch.from_numpy(order)]


def shown_texts(matched: Matched) -> tuple[TextDomain, Tensor, Tensor] | None:
    """Return the original token sequences and, in their order, the reconstructed ones.

    Sequences are matched so that the fewest tokens are wrong. Positions that leave no gradient are
    padding in the originals; a sequence that is missing is padding throughout.

    Returns:
        The domain and two stacks of tokens (b x length, int64), or None if the attacked inputs are
        not sequences of tokens.
    """
    domain = matched.dataset.domain
    if not isinstance(domain, TextDomain) or not matched.are_tokens:
        return None
    found = torch.full_like(matched.tokens, domain.tokenizer.padding)
    there = matched.order >= 0
    rows = in_float64(matched.reconstruction.inputs).long()
    found[there] = rows[matched.order[there]]
    return domain, matched.tokens, found


def read_texts(matched: Matched) -> tuple[list[str], list[str]] | None:
    """Return the original texts and, in their order, the reconstructed ones; None without any."""
    texts = shown_texts(matched)
    if texts is None:
        return None
    domain, true, found = texts
    return domain.texts(true), domain.texts(found)


def shown_csv(matched: Matched) -> str | None:
    """Return rows or texts as CSV, each original above its reconstruction; None of other inputs."""
    rows = shown_rows(matched)
    if rows is not None:
        return side_by_side(*rows)
    texts = read_texts(matched)
    if texts is None:
        return None
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["sequence", "is", "text"])
    for i, pair in enumerate(zip(*texts, strict=True)):
        writer.writerows([[i, "original", pair[0]], [i, "reconstruction", pair[1]]])
    return file.getvalue()
