"""Properties of a search of a layer pair that are known before it starts."""

from dataclasses import dataclass
from enum import StrEnum

from spear.activations.elementwise import Elementwise
from spear.inversion.descent.starts import start_count
from spear.inversion.pair import backward_search, forward_search
from spear.inversion.pair.assignment import round_size
from spear.inversion.pair.choice import Method, suitable
from spear.inversion.pair.search import MOST_STARTS


class Kind(StrEnum):
    """A search, by what its rounds solve."""

    PEELING = "peeling"
    REGRESSIONS = "regressions"
    FORWARD = "forward consistency"
    BACKWARD = "backward consistency"


RECORDED = {Kind.PEELING: 200, Kind.REGRESSIONS: 60, Kind.FORWARD: 60, Kind.BACKWARD: 60}
"""Largest batch of each kind of search among the records to which the forecast is fitted."""


@dataclass(frozen=True)
class PairSearch:
    """Properties of a search that are known before it starts.

    Attributes:
        b: size of the batch.
        m, n: rows and columns of dL/dW1.
        r: rank of the next layer's gradient.
        activation: sigma.
        method: of the search; None for the one that suits.
        most_starts: starts after which the search gives up.
        time_limit: seconds after which it gives up, or None.
    """

    b: int
    m: int
    n: int
    r: int
    activation: Elementwise
    method: Method | None = None
    most_starts: float = 1e6
    time_limit: float | None = None

    @property
    def kind(self) -> Kind:
        """The equations that the rounds solve."""
        spans = self.r == self.b
        method = self.method or suitable(self.activation, spans)
        if method is Method.DESCENT:
            return Kind.FORWARD if spans else Kind.BACKWARD
        return Kind(method.value)

    @property
    def starts(self) -> int:
        """Starts of a round that misses every sample."""
        return {
            Kind.PEELING: min(MOST_STARTS, start_count(self.b)),
            Kind.REGRESSIONS: round_size(self.b),
            Kind.FORWARD: forward_search.STARTS,
            Kind.BACKWARD: backward_search.STARTS,
        }[self.kind]

    @property
    def limit(self) -> int:
        """Neurons from which the equations of a sample can outnumber its unknowns."""
        return {
            Kind.PEELING: 2 * self.b - 1,
            Kind.REGRESSIONS: self.b + self.r,
            Kind.FORWARD: 2 * self.b - 1,
            Kind.BACKWARD: 2 * self.b + self.r - 2,
        }[self.kind]

    @property
    def is_full_rank(self) -> bool:
        """Tell whether the gradients are refused at sight, so that nothing is searched."""
        return self.b >= min(self.m, self.n) or self.b + self.r > self.m

    @property
    def warning(self) -> str:
        """Return why the search is expected to fail or its forecast is a guess, or nothing."""
        if self.is_full_rank:
            return f"no search: full rank, as m = {self.m} and n = {self.n}"
        if self.m < self.limit:
            return f"expected to fail: m = {self.m} neurons, and {self.limit} are needed"
        most = RECORDED[self.kind]
        return f"extrapolated: records end at b = {most}" if self.b > most else ""
