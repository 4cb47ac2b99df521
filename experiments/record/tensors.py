"""Tensors of a batch, for analyses of one's own: a file per batch in the job's folder."""

from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import save_file

from spear.experiments.record.files import replacing
from spear.experiments.record.run_files import TENSORS
from spear.scoring.matched import Matched


def tensors_file(folder: Path, batch: int) -> Path:
    """Return the path of a batch's tensors below a run folder; the file may not exist."""
    return folder / TENSORS / f"{batch}.safetensors"


def write_tensors(folder: Path, batch: int, matched: Matched) -> None:
    """Write the true and the reconstructed inputs of a batch.

    The file has `originals` and `reconstructions` in the same order, shape and units: images
    (b x C x H x W, de-normalised, not clipped) or rows (b x n) in float64. A row of `found` (b) is
    false where no input was left to compare with, and the reconstruction then is the network's zero
    input. `labels` are the true ones, and `labels_found` (b x K), if the attack recovers labels,
    its probabilities.

    Args:
        folder: run folder.
        batch: number of the batch.
        matched: truth and reconstruction of the batch.

    Raises:
        CannotWrite: the disk is full, or the folder cannot be written.
    """
    tensors = {
        "originals": matched.true,
        "reconstructions": matched.found,
        "found": matched.order >= 0,
        "labels": matched.truth.labels,
    }
    labels = matched.reconstruction.labels
    if labels is not None:
        tensors["labels_found"] = matched.ordered(labels)
    path = tensors_file(folder, batch)
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as beside:
        save_file({name: each.cpu().contiguous() for name, each in tensors.items()}, beside)


def lack_tensors(folder: Path, batches: Sequence[int]) -> bool:
    """Return whether the tensors of one of these batches are not in a run folder."""
    return not all(tensors_file(folder, each).is_file() for each in batches)
