"""Counts of equations and unknowns: how many images one gradient determines by linear algebra.

Each token of the first block has the unknowns a, c, alpha, omega and sigma of
`spear.vision.token_equations`. With b images of N patches the row space of the patches has
min(b N, P) dimensions, and that of the attention b (N + r), with r tokens an image that have no
patch: 1 with a class token, more with register tokens, 0 if all tokens are patches.
"""


def unknowns(batch: int, patches: int, numbers: int, others: int = 1) -> int:
    """Return the number of unknowns of one patch token.

    Args:
        batch: b, images.
        patches: N, of an image.
        numbers: P, of a patch: its pixels times its channels.
        others: r, tokens of an image without a patch.

    Returns:
        b (2 N + r) + 3, and less if the patches span all P dimensions.
    """
    return min(batch * patches, numbers) + batch * (patches + others) + 3


def equations(width: int, batch: int, patches: int, numbers: int) -> int:
    """Return the number of independent equations of one patch token.

    The d entries of the token are one each. Its layer norm adds some, as differences of tokens of
    one position satisfy the others by themselves.

    Args:
        width: d, of the model.
        batch, patches, numbers: see `unknowns`.

    Returns:
        d + N + 1, and less if the patches span all P dimensions.
    """
    of_patches = min(batch * patches, numbers)
    return width + max(1, of_patches + 1 - (batch - 1) * patches)


def determined(width: int, batch: int, patches: int, numbers: int, others: int = 1) -> bool:
    """Tell whether linear algebra determines every patch of a batch.

    Args:
        width, batch, patches, numbers: see `equations`.
        others: see `unknowns`.
    """
    count = unknowns(batch, patches, numbers, others)
    return count <= equations(width, batch, patches, numbers)


def most_images(width: int, patches: int, numbers: int, others: int = 1) -> int:
    """Return the largest batch that linear algebra determines; 0 if there is none.

    Args:
        width, patches, numbers: see `equations`.
        others: see `unknowns`.
    """
    batch = 0
    while determined(width, batch + 1, patches, numbers, others):
        batch += 1
    return batch
