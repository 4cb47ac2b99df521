"""Images of tokens: the strongest links first, as long as no position would occur twice."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

EVIDENCE = 5.0
"""Log-likelihood ratio that a link needs."""


@dataclass(frozen=True)
class Group:
    """Tokens of one image.

    Attributes:
        members: position -> number of the token.
    """

    members: dict[int, int]

    def agrees(self, other: "Group") -> bool:
        """Tell whether no position is in both."""
        return not self.members.keys() & other.members.keys()


def join(links: Tensor, positions: Tensor, known: Sequence[Group] | None = None) -> list[Group]:
    """Return groups of tokens that belong to one image, the largest first; each token is in one.

    Args:
        links: evidence of each pair (k x k), symmetric.
        positions: of the tokens (k).
        known: groups to begin with; each token is one of its own unless given.
    """
    groups = [Group({place: token}) for token, place in enumerate(positions.tolist())]
    for group in known or ():
        for token in group.members.values():
            groups[token] = group
    rows, columns = torch.triu_indices(len(links), len(links), offset=1)
    strength = links[rows, columns]
    order = strength.argsort(descending=True, stable=True)
    for index in order[strength[order] > EVIDENCE].tolist():
        one, other = groups[int(rows[index])], groups[int(columns[index])]
        if one is not other and one.agrees(other):
            both = Group(one.members | other.members)
            for token in both.members.values():
                groups[token] = both
    distinct = {id(each): each for each in groups}
    return sorted(distinct.values(), key=lambda each: -len(each.members))
