"""Which paths lie below which folders, in Python and in SQL."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator

from sqlalchemy import ColumnElement, func, or_

from index.catalog.schema import UNDECODABLE, Image, encode_path


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


def _as_folder(root: str) -> str:
    return root if root.endswith(os.sep) else root + os.sep


def below(root: str) -> ColumnElement[bool]:
    """Return the SQL condition that an image lies at or below `root`, or may do so.

    A path with undecodable bytes is stored encoded, so SQL lets it pass; `is_below` decides.
    """
    encoded = func.substr(Image.path, 1, len(UNDECODABLE)) == UNDECODABLE
    if encode_path(root) != root:
        return encoded
    folder = _as_folder(root)
    inside = func.substr(Image.path, 1, len(folder)) == folder
    return or_(Image.path == root, inside, encoded)
