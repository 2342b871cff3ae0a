"""Which paths lie below which folders, in Python and in SQL."""

from __future__ import annotations

import os
from collections.abc import Container

from sqlalchemy import ColumnElement, func, or_

from index.catalog.schema import UNDECODABLE, Image, encode_path


def is_below(path: str, roots: Container[str]) -> bool:
    """Say whether `path` is one of `roots` or lies in one of them; make many roots a set."""
    folders = (path[:end] for at, sign in enumerate(path) if sign == os.sep for end in (at, at + 1))
    return path in roots or any(folder in roots for folder in folders)


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
