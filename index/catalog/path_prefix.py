"""Which paths lie below which folders."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator


def is_below(path: str, roots: Container[str]) -> bool:
    """Say whether `path` is one of `roots` or lies in one of them; make many roots a set."""
    return any(above in roots for above in at_or_above(path))


def at_or_above(path: str) -> Iterator[str]:
    """Yield a path and every folder that it lies in, innermost first, with and without a slash."""
    yield path
    for at in range(len(path) - 1, -1, -1):
        if path[at] == os.sep:
            yield path[: at + 1]
            yield path[:at]
