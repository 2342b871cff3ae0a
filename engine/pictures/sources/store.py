"""What every kind of URL can do: list, say what an object is like, read it, copy it whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from engine.config import UrlLimits
from engine.pictures.threads.memory import Reserve
from engine.skipped import Skipped
from index.records import FileState

# Bytes of a digest that become the 63 bits of `FileState.inode`.
DIGEST_BYTES = 8
LARGEST = 2**63 - 1
# Of what no server says when it was changed: younger than every scan, so that each run opens it.
UNKNOWN_TIME = LARGEST


@dataclass(slots=True)
class Listing:
    """Objects at or below a URL.

    Attributes
    ----------
    files
        What there is, in no order.
    roots
        URLs that stand for the one that was listed, where what it names lies elsewhere.
    skipped, unseen
        As of `Found`.
    """

    files: list[FileState]
    roots: list[str]
    skipped: list[Skipped]
    unseen: list[str]


class SourceStore(Protocol):
    """What lists and reads URLs of a scheme; many threads may ask it.

    Every method takes a URL as `absolute` writes it, and raises `ImageError` where a server
    denies, cannot be reached, or says what cannot be.
    """

    def listing(self, url: str, urls: UrlLimits, progress: Callable[[int], None]) -> Listing:
        """Return the objects at or below a URL; of one that leads to nothing there are none."""

    def state(self, url: str, urls: UrlLimits) -> FileState | None:
        """Return what an object is like, None where there is none."""

    def read(
        self, url: str, urls: UrlLimits, max_bytes: int, size: int | None, reserve: Reserve | None
    ) -> bytes:
        """Return an object's bytes, refused before they are read where they are too many.

        Parameters
        ----------
        size
            How many it has, where that is known from a listing.
        """

    def copy(self, url: str, urls: UrlLimits, write: Callable[[bytes], object]) -> None:
        """Hand over an object's bytes piece by piece."""


def version_number(*version: object) -> int:
    """Return 63 bits of a SHA-256 of what a server or archive says of a version of an object."""
    digest = hashlib.sha256("\0".join(map(str, version)).encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:DIGEST_BYTES], "big") & LARGEST
