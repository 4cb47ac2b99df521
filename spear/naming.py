"""Names of parameters in networks that others wrap: DataParallel, torch.compile, Opacus, FSDP."""

from collections.abc import Iterable

from torch import nn

WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "OptimizedModule": "_orig_mod",
    "GradSampleModule": "_module",
}
"""Classes that wrap a network, and the attribute that holds it."""

PARTS = frozenset({*WRAPPERS.values(), "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Parts of a name that a wrapper adds."""


def unwrapped(network: nn.Module) -> nn.Module:
    """Return the network inside of any wrappers."""
    while type(network).__name__ in WRAPPERS:
        network = getattr(network, WRAPPERS[type(network).__name__])
    return network


def bare(name: str) -> str:
    """Return a name without what wrappers add to it."""
    return ".".join(part for part in name.split(".") if part not in PARTS)


def renamed(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return each given name and the known one that it stands for; itself if there is none.

    Args:
        names: of an update or of saved weights.
        known: names of the network.
    """
    known = list(known)
    stripped: dict[str, str] = {}
    for name in known:
        stripped.setdefault(bare(name), name)
    return {name: name if name in known else stripped.get(bare(name), name) for name in names}
