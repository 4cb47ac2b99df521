"""Order of jobs by their values: numbers by size, before text by the alphabet."""

from collections.abc import Iterable


def place(values: Iterable[object]) -> tuple[tuple[bool, float, str], ...]:
    """Return the key by which to sort jobs, from the values of each in one order."""
    return tuple(_place(str(value)) for value in values)


def _place(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text
