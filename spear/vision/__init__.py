"""Vision transformers: the images behind one gradient, from the first block's linear algebra."""

from spear.vision.attack import SpearVit

__all__ = ["SpearVit"]
