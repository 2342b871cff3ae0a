"""Checksums of stored vectors: what a disk has changed is noticed before it is an answer.

SQLite checks the shape of its pages and not what stands in them; an exponent bit that flips in one
of a vector's numbers makes it the nearest to everything.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any


def checksum(key: str, norm: float, vector: bytes) -> int:
    """Return the CRC-32 of a vector as it is stored, of its length, and of what it belongs to.

    Parameters
    ----------
    key
        The content hash; for a view, followed by a space and its name.
    """
    return zlib.crc32(vector, zlib.crc32(key.encode() + struct.pack("<f", norm)))


def is_sound(key: str, norm: Any, vector: Any, stored: int | None) -> bool:
    """Say whether a vector is the one whose checksum was stored.

    Catalogs of older releases that cannot be written have no checksums: None fits all.
    """
    if stored is None:
        return True
    try:
        return checksum(key, norm, vector) == stored
    except (TypeError, ValueError, OverflowError, struct.error):
        # The damage may have made another type of it.
        return False


class Damage:
    """Notes the images whose stored embedding is not the one that was stored.

    Attributes
    ----------
    ids
        They.
    """

    def __init__(self) -> None:
        self.ids: set[int] = set()

    def sound(self, rows: Iterable[Sequence[Any]]) -> list[Sequence[Any]]:
        """Return those rows that are sound, and note the others.

        Parameters
        ----------
        rows
            Each begins with id, vector, norm, content hash and checksum.
        """
        sound = []
        for row in rows:
            if is_sound(row[3], row[2], row[1], row[4]):
                sound.append(row)
            else:
                self.ids.add(row[0])
        return sound
