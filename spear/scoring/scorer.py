"""The scorer: runs metrics on a reconstruction beside the truth."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from spear.data.base import Dataset
from spear.data.text import TextDomain
from spear.errors import ConfigError
from spear.reconstruction import Reconstruction
from spear.scoring.clients import Clients
from spear.scoring.directions import Directions
from spear.scoring.errors import Errors
from spear.scoring.features import Features
from spear.scoring.images import PSNR, SSIM
from spear.scoring.labels import Labels
from spear.scoring.lpips import LPIPS, LpipsDistance
from spear.scoring.matched import Matched
from spear.scoring.metric import Metric, Value, kinds_of
from spear.scoring.tables import Tables
from spear.scoring.texts import Texts
from spear.scoring.truth import Truth


@dataclass(frozen=True)
class Score(Mapping[str, Value]):
    """Numbers of one batch by name, over all b true inputs, including those that were missed.

    Attributes:
        numbers: numbers of all metrics, by the names that these declare.
        psnr_per_image: in dB, in the order of the true inputs; NaN if these are not images.
    """

    numbers: Mapping[str, Value]
    psnr_per_image: tuple[float, ...]

    def __getitem__(self, name: str) -> Value:
        return self.numbers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


def standard_metrics(lpips: LpipsDistance | None = None) -> tuple[Metric, ...]:
    """Return the metrics that every batch is scored by, in the order of a job's summary.

    Args:
        lpips: the result of `spear.scoring.lpips.load_lpips`; if None, LPIPS is NaN.
    """
    return (
        Directions(), PSNR(), LPIPS(lpips), Errors(), Tables(), Labels(), SSIM(), Features(),
    )  # fmt: skip


def metrics_of(dataset: Dataset, clients: int = 1) -> tuple[Metric, ...]:
    """Return the further metrics of a job: `Texts` of texts, `Clients` if there are several.

    Args:
        dataset: the data of the job.
        clients: number of clients that share an aggregate.
    """
    texts = (Texts(),) if isinstance(dataset.domain, TextDomain) else ()
    return (*texts, Clients()) if clients > 1 else texts


STANDARD = standard_metrics()
"""Standard metrics without the network of LPIPS."""


class Scorer:
    """Scores reconstructions of one data set's batches: `scorer(reconstruction, truth)`.

    Args:
        dataset: gives the shape of an example and undoes the normalisation.
        metrics: the metrics that are computed for each batch.
        first_layer: whether the attacked layer receives the network's input. An inner layer may
            have as many inputs as an image has pixels.

    Raises:
        ConfigError: two metrics have a number of the same name.
    """

    def __init__(
        self,
        dataset: Dataset,
        metrics: Iterable[Metric] = STANDARD,
        *,
        first_layer: bool = True,
    ) -> None:
        self.metrics = tuple(metrics)
        self._kinds = kinds_of(self.metrics)
        self._dataset = dataset
        self._first_layer = first_layer

    def __call__(self, reconstruction: Reconstruction, truth: Truth) -> Score:
        """Return the batch's score (`score`)."""
        return self.score(self.beside(reconstruction, truth))

    def beside(self, reconstruction: Reconstruction, truth: Truth) -> Matched:
        """Return the reconstruction beside the truth, for `score` and for figures."""
        return Matched(reconstruction, truth, self._dataset, self._first_layer)

    def score(self, matched: Matched) -> Score:
        """Return the numbers of all metrics.

        Raises:
            ConfigError: a metric computes other numbers than it declares.
        """
        values: dict[str, Value] = {}
        for metric in self.metrics:
            computed = metric(matched)
            if set(computed) != set(metric.names):
                raise ConfigError(
                    f"{type(metric).__name__} computed {', '.join(computed) or 'nothing'}; "
                    f"expected its names, {', '.join(metric.names)}."
                )
            values |= {name: self._kinds[name](computed[name]) for name in metric.names}
        return Score(values, tuple(matched.psnr_per_image.tolist()))
