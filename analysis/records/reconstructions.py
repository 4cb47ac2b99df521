"""Saved reconstructions of a job as tensors: `spear.reconstructions("outputs/main/defaults")`."""

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from spear.analysis.records.results import NoResults
from spear.experiments.config.spec import RECONSTRUCTIONS
from spear.experiments.record.run_files import TENSORS


def reconstructions(job: str | Path) -> dict[int, dict[str, Tensor]]:
    """Return the tensors of each batch of a job that ran with `save=reconstructions`.

    Args:
        job: run folder of the job, as in the column `job` of `spear.results`.

    Returns:
        Number of the batch -> `originals` and `reconstructions`, in the same order, shape and
        units, `found`, `labels`, and `labels_found` if the attack recovers labels
        (`spear.experiments.record.tensors.write_tensors`).

    Raises:
        NoResults: the folder does not exist, or has no saved reconstructions.
    """
    folder = Path(job)
    if not folder.is_dir():
        raise NoResults(f"{str(job)!r} does not exist; expected the run folder of a job.")
    files = {int(path.stem): path for path in (folder / TENSORS).glob("[0-9]*.safetensors")}
    if not files:
        raise NoResults(
            f"{folder} has no saved reconstructions; run the job with save={RECONSTRUCTIONS}."
        )
    return {batch: load_file(files[batch]) for batch in sorted(files)}
