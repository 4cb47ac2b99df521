"""Audits every update that a run has saved, and compares the results with the clients' pictures.

python -m federated.compare outputs/federated
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor

import spear
from federated.model import Classifier
from spear.auditing import Audit, Verdict
from spear.auditing.report import as_json, html
from spear.scoring import match

LAYER = "first"
"""Name of the layer that receives the pictures."""

RECOVERED = 20.0
"""PSNR in dB from which on a picture counts as recovered."""


@dataclass(frozen=True)
class Comparison:
    """Result of one update's audit, compared with the client's pictures.

    Attributes:
        update: file of the update.
        verdict: verdict of the audit, which does not know the pictures.
        psnr: PSNR in dB of each of the client's pictures.
    """

    update: Path
    verdict: Verdict
    psnr: np.ndarray

    @property
    def recovered(self) -> int:
        """Number of pictures with a PSNR of at least `RECOVERED`."""
        return int((self.psnr >= RECOVERED).sum())


def arrays(path: Path) -> list[np.ndarray]:
    """Return the list that `numpy.savez(path, *arrays)` has written."""
    with np.load(path) as file:
        return [file[f"arr_{i}"] for i in range(len(file.files))]


def audit(before: Path, after: Path, shape: tuple[int, ...]) -> Audit:
    """Audit an update as the server can: from the parameters before and after the training.

    Args:
        before, after: files of the parameters before and after a client's training.
        shape: shape of a picture, C x H x W.
    """
    model = Classifier(torch.Size(shape).numel())
    weights = map(torch.from_numpy, arrays(before))
    model.load_state_dict(dict(zip(model.state_dict(), weights, strict=True)))
    return spear.audit(model, arrays(after), LAYER, input_shape=shape, form="weights")


def psnr(found: Audit, private: Tensor) -> np.ndarray:
    """Return the PSNR in dB of each private picture; one that was not found counts as black.

    Args:
        found: audit of the update.
        private: the client's pictures (b x C x H x W), in [-1, 1].
    """
    truth, recovery = private.flatten(1).double(), found[LAYER].recovery
    rows = truth[:0] if recovery is None else recovery.inputs.double().clip(-1, 1)
    rows = torch.cat([rows, -torch.ones_like(truth[:1])])  # the last, at index -1: black
    pairs = zip(truth.numpy(), rows[match(rows[:-1], truth)].numpy(), strict=True)
    return np.array([peak_signal_noise_ratio(x, y, data_range=2.0) for x, y in pairs])


def compare(folder: Path) -> list[Comparison]:
    """Audit all updates of a run, and leave `client-k.html` and `client-k.json` beside each.

    Args:
        folder: output folder of the run.
    """
    found = []
    for path in sorted(folder.glob("round-*/client-*.npz")):
        (pictures,) = arrays(folder / "clients" / path.name)
        private = torch.from_numpy(pictures)
        audited = audit(path.parent / "before.npz", path, tuple(private.shape[1:]))
        path.with_suffix(".html").write_text(html(audited))
        path.with_suffix(".json").write_text(as_json(audited))
        found.append(Comparison(path, audited.verdict, psnr(audited, private)))
    return found


def table(comparisons: list[Comparison]) -> Table:
    """Return a table for the terminal, a row for each update."""
    shown = Table("update", "verdict", "recovered", "PSNR, mean", "least")
    for each in comparisons:
        shown.add_row(
            f"{each.update.parent.name}, {each.update.stem}",
            str(each.verdict),
            f"{each.recovered}/{len(each.psnr)}",
            f"{each.psnr.mean():.1f} dB",
            f"{each.psnr.min():.1f} dB",
        )
    return shown


if __name__ == "__main__":
    torch.set_num_threads(1)  # more only get in the way of matrices this small
    updates = compare(Path(sys.argv[1]))
    if not updates:
        sys.exit(f"{sys.argv[1]} holds no updates; give the output folder of a run.")
    Console().print(table(updates))
