"""Errors of the room `index`, and the root of the tree that `engine/errors.py` draws.

The root stands here and not in `engine/errors.py` because this room imports nothing of `engine`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class EngineError(Exception):
    """Base of every error this project raises on purpose.

    Parameters
    ----------
    thing
        What the error is about: a path, a name, a setting.
    reason
        Why it failed.
    remedy
        What the person can do about it.

    Attributes
    ----------
    skipped
        Files that could not be used before it came to the error, each as the engine reports skips.
    """

    exit_code = 1
    skipped: Sequence[Any] = ()

    def __init__(self, thing: object, reason: str, remedy: str) -> None:
        super().__init__(thing, reason, remedy)
        self.thing = str(thing)
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.thing}: {self.reason}. {self.remedy}"


def reason_of(error: OSError | ValueError) -> str:
    """Return why something cannot be opened, read or written.

    The system says so in `strerror`. What Python and NumPy raise themselves has none, nor has the
    ValueError of a name that no file can have.
    """
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def briefly(text: str, most: int = 200) -> str:
    """Return as much of what a server or a file says of itself as belongs into an error."""
    return text if len(text) <= most else f"{text[:most]}…"


class UsageError(EngineError):
    """The request itself is wrong; nothing was done."""

    exit_code = 2


class FilterError(UsageError):
    """A `--where` clause that cannot be understood."""


class StoreError(EngineError):
    """The store (the folder `.engine/`) cannot be used."""


class StoreNotFoundError(StoreError):
    """There is no store where one was expected."""


class StoreLockedError(StoreError):
    """Another process is writing to this store."""


class LeaseLostError(StoreError):
    """A shard is another worker's by now: what was made of it is not kept."""


class CatalogError(StoreError):
    """The SQL catalog cannot be read or written."""


class CatalogDamagedError(CatalogError):
    """The catalog's file is not a database, or its pages are broken."""


class EmbeddingDamagedError(CatalogError):
    """A stored embedding is not the one that was stored; its picture must be embedded again."""


class CatalogVersionError(CatalogError):
    """The catalog was written by a newer release."""


class ReadOnlyError(CatalogError):
    """The store may be read, and not written."""


class DiskFullError(CatalogError):
    """There was no room left to write."""


class IndexDamagedError(StoreError):
    """What is saved of the index is damaged; it is derived, and built anew."""


class IndexMovedError(StoreError):
    """The vectors that all share were exchanged while they were asked; they are asked again."""


class VectorStoreError(StoreError):
    """Where the vectors are kept cannot be asked; the catalog has them all."""


class BackboneMismatchError(StoreError):
    """The catalog holds embeddings of another backbone."""
