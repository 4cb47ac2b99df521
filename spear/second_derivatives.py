"""Attention whose gradients can be differentiated once more."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Compute attention by formulas that differentiate twice, within the context.

    PyTorch's fused kernels have no second derivative.
    """
    with sdpa_kernel(SDPBackend.MATH):
        yield
