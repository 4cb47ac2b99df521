"""Close names for one that does not exist, as every message offers them."""

import difflib
from collections.abc import Callable, Iterable


def did_you_mean(
    given: object,
    known: Iterable[str],
    then: str,
    *,
    most: int = 1,
    cutoff: float = 0.6,
    called: Callable[[str], str] = str,
) -> str:
    """Return the end of a sentence about a name that does not exist.

    Args:
        given: the name.
        known: names that exist.
        then: the end without a full stop, such as "expected one of a, b"; in front of it stands
            the question "did you mean 'a'?" if a known name is close.
        most: largest number of names in the question.
        cutoff: least similarity of a close name, from 0 to 1 (`difflib.get_close_matches`).
        called: what the question has in place of a known name, such as its present one.
    """
    close = difflib.get_close_matches(str(given), list(known), n=most, cutoff=cutoff)
    if not close:
        return then
    names = " or ".join(map(repr, dict.fromkeys(map(called, close))))
    return f"did you mean {names}? {then[0].upper()}{then[1:]}"
