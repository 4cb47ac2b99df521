"""The interface of generators for generative attacks, and its use."""

from collections.abc import Iterable, Sequence
from copy import copy, deepcopy
from typing import Protocol, Self

import torch
from torch import Tensor, nn

from spear.domain import Domain
from spear.errors import ConfigError, InvalidObservation


class Generator(Protocol):
    """A network from latents to images, taken apart into blocks.

    A generator of your own is an `nn.Module` with these attributes, named by `_target_` in
    `attack.generator`. One with class labels, noise maps or skips between blocks needs a wrapper
    that fixes or carries them.
    """

    @property
    def latent_shape(self) -> Sequence[int]:
        """Shape of one latent; the search starts from standard normal latents."""
        ...

    @property
    def blocks(self) -> Iterable[nn.Module]:
        """Blocks that, applied one after the other to latents (b x latent_shape), give images.

        Images are b x C x H x W with values in [0, 1].
        """
        ...


class Prior:
    """A generator in evaluation mode as a map into the inputs of one network.

    Args:
        generator: left as it is; a copy of it is used.
        domain: of the network's inputs, with bounds; images in [0, 1] are scaled to them.
        like: precision and device.

    Raises:
        ConfigError: `generator` is not a generator, or cannot be run.
        InvalidObservation: the domain has no bounds, or its shape is not that of the images.
    """

    def __init__(self, generator: Generator, domain: Domain, like: Tensor) -> None:
        self.latent_shape, blocks = parts(generator)
        self._blocks = [deepcopy(each).to(like).eval().requires_grad_(False) for each in blocks]
        self._domain = domain
        if not (domain.lower.isfinite().all() and domain.upper.isfinite().all()):
            raise InvalidObservation(
                "the range of the network's inputs is not known, so that a generator's images "
                "cannot be scaled to it; give a domain with finite bounds (`spear.Domain`)."
            )
        _check_images(self.images(0, like.new_zeros(1, *self.latent_shape)), domain)

    def __len__(self) -> int:
        """Number of blocks."""
        return len(self._blocks)

    def free(self) -> Self:
        """Return a copy whose parameters may be changed; this one stays as it is."""
        own = copy(self)
        own._blocks = [deepcopy(each).requires_grad_() for each in self._blocks]
        return own

    def parameters(self) -> list[nn.Parameter]:
        """Parameters of all blocks, each once.

        Raises:
            ConfigError: there are none.
        """
        found = list(nn.ModuleList(self._blocks).parameters())
        if not found:
            raise ConfigError(
                "the generator has no parameters to search; expected blocks with weights."
            )
        return found

    def block(self, k: int, features: Tensor) -> Tensor:
        """Features k + 1 from features k; features 0 are the latents."""
        found: Tensor = self._blocks[k](features)
        return found

    def inputs(self, k: int, features: Tensor) -> Tensor:
        """The network's inputs (b x domain.shape) from features k."""
        lower, upper = self._domain.lower, self._domain.upper
        return lower + (upper - lower) * self.images(k, features)

    def images(self, k: int, features: Tensor) -> Tensor:
        """Images in [0, 1] from features k.

        Raises:
            ConfigError: a block does not take what the one before it gives.
        """
        for number, block in enumerate(self._blocks[k:], start=k):
            try:
                features = block(features)
            except (RuntimeError, ValueError, TypeError) as error:
                said = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
                raise ConfigError(
                    f"block {number} of the generator does not take features of shape "
                    f"{tuple(features.shape)} ({said}); expected blocks that lead from latents of "
                    f"shape {tuple(self.latent_shape)} to images."
                ) from error
        return features


def parts(generator: object) -> tuple[tuple[int, ...], list[nn.Module]]:
    """Shape of a latent, and the blocks.

    Raises:
        ConfigError: it lacks one of them.
    """
    shape, blocks = getattr(generator, "latent_shape", None), getattr(generator, "blocks", None)
    if not isinstance(shape, Sequence) or not isinstance(blocks, Iterable):
        raise ConfigError(
            f"generator is a {type(generator).__name__} without `latent_shape` and `blocks`;"
            " expected a generator as in spear/baselines/generative/generator.py."
        )
    listed = list(blocks)
    if not listed:
        raise ConfigError("generator has no blocks; expected at least one.")
    return tuple(int(size) for size in shape), listed


def _check_images(images: Tensor, domain: Domain) -> None:
    found = tuple(images.shape[1:])
    if found != tuple(domain.shape):
        raise InvalidObservation(
            f"the generator makes images of shape {found}, but the network takes inputs of "
            f"shape {tuple(domain.shape)}; train one on images of that shape with "
            "spear train-generator, and load its file by DCGAN.trained."
        )
    if not bool(torch.isfinite(images).all()):
        raise ConfigError("the generator makes NaN or infinite images; check its weights.")
