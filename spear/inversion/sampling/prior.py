"""SPEAR with a prior: an approximate reconstruction says where the zeros are (Sec. 6.3)."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from spear.attack import Attack, ProgressCallback
from spear.budget import Budget
from spear.domain import Domain
from spear.errors import ConfigError
from spear.inversion.factors.factorization import Factorization
from spear.inversion.sampling.attack import Spear
from spear.inversion.sampling.samplers import InformationSetSampler, Sampler
from spear.inversion.sampling.screening import (
    draw_promising,
    largest_chunk,
    sparsest_distinct,
)
from spear.inversion.sampling.settings import SamplingSettings
from spear.layers import Sparsity, attackable, check_number, linear_layers
from spear.probing import layer_inputs
from spear.reconstruction import Reconstruction
from spear.transformer import check_takes_numbers
from spear.update import Update, check_update

GROWTH = 2
"""Growth of the draws from each set from one round to the next. The first round draws once: if all
rows of a set are zeros of its column, each draw gives the same direction."""


@dataclass(frozen=True, eq=False)
class SpearPrior(SamplingSettings):
    """Algorithm 1 on submatrices of rows that are likely zeros of one column (Sec. 6.3, Table 5).

    Another attack estimates the batch. The most negative pre-activations of each estimated sample
    are likely to be truly negative, and so zero in its column of dL/dZ. Submatrices are drawn from
    these rows only, an equal number for each sample. This avoids the exponential number of draws
    (Lemma 5.2), as far as the estimate is right.

    Args:
        prior: the other attack, of the network's inputs, such as gradient matching.
        layer: linear layer to attack, counted from 1; a ReLU must follow it.
        likely: rows taken for zeros of a column, as a multiple of b (the paper: 3).
        sampler: method that turns submatrices into directions; `InformationSetSampler` unless
            given.
        p_false_reject, max_submatrices, time_limit, swaps, rank, device, dtype: see
            `SamplingSettings`; the time limit is for the search, without the prior.

    Raises:
        ConfigError: a setting is out of range.
    """

    prior: Attack[Any]
    layer: int = 1
    likely: float = 3.0
    sampler: Sampler | None = None
    max_submatrices: float = field(default=2e7, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self.layer)
        if not self.likely >= 1:
            raise ConfigError(f"likely is {self.likely}; expected at least 1.")
        if self.prior.layer is not None:
            raise ConfigError(
                "prior reconstructs the inputs of a layer; expected an attack on the network's own "
                "inputs, such as gradient matching."
            )

    @property
    def given_labels(self) -> bool:
        """Implement `spear.attack.Attack`."""
        return self.prior.given_labels

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `spear.attack.Attack`.

        Raises:
            LayerError: no such layer, or no ReLU follows it.
            SpearError: what the prior cannot attack.
        """
        check_takes_numbers(network)
        attackable(linear_layers(network, domain.shape), self.layer, Sparsity.GRADIENT)
        self.prior.check(network, domain)

    def observe(self, update: Update) -> Update:
        """The whole update, for the prior.

        Raises:
            SpearError: see `Update.observe`.
        """
        check_update(update)
        update.observe(self.layer, Sparsity.GRADIENT)
        return update

    def __call__(
        self, observation: Update, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`. `details` has the prior's seconds and its counts."""
        budget = Budget()
        estimate = self.prior(self.prior.observe(observation), seed=seed, progress=progress)
        prior_seconds = budget.spent
        z = estimated_pre_activations(observation, self.layer, estimate.inputs)
        search = self._search_among(most_negative(z, self.likely))
        seen = observation.observe(self.layer, Sparsity.GRADIENT)
        found = search(seen, seed=seed, progress=progress)
        details = {f"prior_{name}": value for name, value in estimate.details.items()}
        return replace(
            found,
            seconds=budget.spent,
            details={**found.details, **details, "prior_seconds": prior_seconds},
        )

    def _search_among(self, sets: Tensor) -> "_LikelyZeros":
        shared = {each.name: getattr(self, each.name) for each in fields(SamplingSettings)}
        return _LikelyZeros(self.layer, self.sampler, sets=sets, **shared)


@dataclass(frozen=True, eq=False)
class _LikelyZeros(Spear):
    """Algorithm 1 whose submatrices come from one set of neurons at a time.

    Args:
        sets: indices of neurons, a row per set (k x rows).
    """

    sets: Tensor = field(kw_only=True)

    def _sample(self, problem: Factorization, seed: int) -> Iterator[tuple[Tensor, int]]:
        """Draw as in Algorithm 1, from each set in turn, without sets of fewer than b rows."""
        left = problem.left.to(self.search_dtype)
        sampler = self.sampler or InformationSetSampler()
        generator = torch.Generator(device=left.device).manual_seed(seed)
        place = problem.active.cumsum(0) - 1
        sets = self.sets.to(left.device)
        rows = [place[each[problem.active[each]]] for each in sets]
        rows = [each for each in rows if len(each) >= problem.b]
        count, most = 1, largest_chunk(problem.b, left.dtype, left.device)
        remaining = self.max_submatrices
        while rows and remaining > 0:
            for each in rows:
                directions, drawn = draw_promising(
                    sampler, left, min(count, most), generator, among=each
                )
                yield sparsest_distinct(problem.left, directions, problem.b), drawn
                remaining -= drawn
            count *= GROWTH


def estimated_pre_activations(update: Update, layer: int, inputs: Tensor) -> Tensor:
    """Z^T (b x m) of a linear layer for a batch of network inputs.

    Args:
        update: with the network.
        layer: its number, from 1.
        inputs: flattened, one per row.
    """
    module = attackable(update.layers, layer, Sparsity.GRADIENT).module
    shaped = inputs.to(module.weight).reshape(-1, *update.domain.shape)
    with torch.no_grad():
        return cast(Tensor, module(layer_inputs(update.folded.network, module, shaped)))


def most_negative(pre_activations: Tensor, likely: float) -> Tensor:
    """The `likely` x b neurons with the most negative pre-activation of each sample.

    Args:
        pre_activations: Z^T (b x m).
        likely: as a multiple of b; at most half of the neurons are taken.

    Returns:
        Indices (b x rows).
    """
    b, m = pre_activations.shape
    rows = min(round(likely * b), max(m // 2, 1))
    return pre_activations.topk(rows, dim=1, largest=False).indices
