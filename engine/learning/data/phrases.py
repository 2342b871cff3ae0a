"""Numbers and names in sentences."""

from __future__ import annotations

from collections.abc import Sequence

# So many names are told in a sentence.
NAMED = 10


def count(number: int, thing: str, several: str = "") -> str:
    """Return a number of things, in the plural where it is not one."""
    return f"{number:,} {thing if number == 1 else several or f'{thing}s'}"


def listed(names: Sequence[str], most: int = NAMED) -> str:
    """Return names in a row, those beyond `most` as a number."""
    text = ", ".join(names[:most])
    return text if len(names) <= most else f"{text} and {len(names) - most:,} more"
