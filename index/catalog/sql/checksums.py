"""Checksums of stored vectors: what a disk has changed is noticed before it is an answer.

SQLite checks the shape of its pages and not what stands in them; an exponent bit that flips in one
of a vector's numbers makes it the nearest to everything.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

try:
    # What the processor has for it takes a tenth of the time.
    from zlib_ng.zlib_ng import crc32
except ImportError:
    from zlib import crc32

_float = struct.Struct("<f").pack
# The damage may have made another type of a value.
_OTHER_TYPE = (TypeError, ValueError, OverflowError, AttributeError, struct.error)


def checksum(key: str, norm: float, vector: bytes) -> int:
    """Return the CRC-32 of a vector as it is stored, of its length, and of what it belongs to.

    Parameters
    ----------
    key
        The content hash; for a view, followed by a space and its name.
    """
    return crc32(vector, crc32(key.encode() + _float(norm)))


def is_sound(key: str, norm: Any, vector: Any, stored: int | None) -> bool:
    """Say whether a vector is the one whose checksum was stored.

    Catalogs of older releases that cannot be written have no checksums: None fits all.
    """
    if stored is None:
        return True
    try:
        return checksum(key, norm, vector) == stored
    except _OTHER_TYPE:
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

    def sound(self, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """Return those rows that are sound, and note the others.

        Parameters
        ----------
        rows
            Each begins with id, vector, norm, content hash and checksum.
        """
        if _all_sound(rows):
            return rows
        sound = []
        for row in rows:
            if is_sound(row[3], row[2], row[1], row[4]):
                sound.append(row)
            else:
                self.ids.add(row[0])
        return sound


def _all_sound(rows: Sequence[Sequence[Any]]) -> bool:
    """Say whether `is_sound` of every row, without a call for each; False where one is not known.

    Nearly all catalogs are sound, and all of each is read for every head.
    """
    try:
        for row in rows:
            if row[4] != crc32(row[1], crc32(row[3].encode() + _float(row[2]))):
                return False
    except _OTHER_TYPE:
        return False
    return True
