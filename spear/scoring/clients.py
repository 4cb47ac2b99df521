"""Clients: whose inputs an attack on an aggregate recovered."""

import math
from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from spear.scoring.images import RECOVERED_PSNR
from spear.scoring.matched import Matched, in_float64
from spear.scoring.metric import Metric, Value

CLOSE = 0.1
"""Largest relative error of an input that counts as recovered if it is no image."""


class Clients(Metric):
    """Numbers of clients behind an aggregate; NaN where the inputs are those of no single client.

    An image counts as recovered if its PSNR is at least `RECOVERED_PSNR`, a sequence of tokens if
    every token is right, and any other input if its relative error is at most `CLOSE`.

    - `clients_present`: number of clients that took part.
    - `clients_hit`: number of those of whom at least one input is recovered.
    - `clients_whole`: number of those of whom every input is.
    """

    names = ("clients_present", "clients_hit", "clients_whole")
    kinds: Mapping[str, type[int]] = MappingProxyType({})

    def __call__(self, matched: Matched) -> Mapping[str, Value]:
        """Count the recovered inputs of each client."""
        owners = matched.truth.owners
        if owners is None:
            return dict.fromkeys(self.names, math.nan)
        rows = recovered_rows(matched)
        own = [rows[(owners == each).cpu()] for each in torch.unique(owners)]
        return {
            "clients_present": float(len(own)),
            "clients_hit": float(sum(bool(each.any()) for each in own)),
            "clients_whole": float(sum(bool(each.all()) for each in own)),
        }


def recovered_by_client(matched: Matched) -> dict[str, float]:
    """Return the number of recovered inputs of each client, for a record.

    Returns:
        `recovered_of_client_I` for each client I that took part; nothing of a single client.
    """
    owners = matched.truth.owners
    if owners is None:
        return {}
    rows = recovered_rows(matched)
    return {
        f"recovered_of_client_{int(each)}": float(rows[(owners == each).cpu()].sum())
        for each in torch.unique(owners)
    }


def recovered_rows(matched: Matched) -> Tensor:
    """Return which true inputs are recovered (b, bool), in their own order."""
    if matched.are_images:
        return matched.psnr_per_image >= RECOVERED_PSNR
    if matched.are_tokens:
        found = matched.ordered(matched.reconstruction.inputs).long()
        return (found == matched.tokens).all(dim=1)
    true = in_float64(matched.truth.inputs)
    errors = (matched.ordered(matched.reconstruction.inputs) - true).norm(dim=1)
    return errors <= CLOSE * true.norm(dim=1)
