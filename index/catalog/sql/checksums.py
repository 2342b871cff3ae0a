"""Checksums of stored vectors: what a disk has changed is noticed before it is an answer.

SQLite checks the shape of its pages and not what stands in them; an exponent bit that flips in one
of a vector's numbers makes it the nearest to everything.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from index.records import Values

try:
    # What the processor has for it takes a tenth of the time.
    from zlib_ng.zlib_ng import crc32
except ImportError:
    from zlib import crc32

_float, _float_size = struct.Struct("<f").pack, 4
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

    def sound(self, columns: Sequence[Values]) -> Sequence[Values]:
        """Return the columns of those rows that are sound, and note the others.

        Parameters
        ----------
        columns
            Begin with id, vector, norm, content hash and checksum.

        Returns
        -------
        sequence of columns
            None at all where no row is sound.
        """
        if _all_sound(*columns[:5]):
            return columns
        rows = list(zip(*map(_listed, columns), strict=True))
        sound = [row for row in rows if is_sound(row[3], row[2], row[1], row[4])]
        self.ids |= {row[0] for row in rows} - {row[0] for row in sound}
        return list(zip(*sound, strict=True))


def _all_sound(_ids: Values, vectors: Values, norms: Values, keys: Values, stored: Values) -> bool:
    """Say whether `is_sound` of every row, without a call for each; False where one is not known.

    Nearly all catalogs are sound, and all of each is read for every head.
    """
    try:
        if isinstance(norms, np.ndarray) and isinstance(keys, np.ndarray):
            found = map(crc32, vectors, map(crc32, _keys_and_norms(keys, norms)))
            return list(found) == list(stored)
        for vector, norm, key, expected in zip(vectors, norms, keys, stored, strict=True):
            if expected != crc32(vector, crc32(key.encode() + _float(norm))):
                return False
    except _OTHER_TYPE:
        return False
    return True


def _keys_and_norms(keys: npt.NDArray[Any], norms: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return what a checksum is of before its vector, a row for each."""
    size = keys.itemsize
    rows = np.empty((len(keys), size + _float_size), np.uint8)
    rows[:, :size] = keys.view(np.uint8).reshape(-1, size)
    with np.errstate(over="ignore"):  # one that was changed: it fits no checksum
        rows[:, size:] = norms.astype("<f4").view(np.uint8).reshape(-1, _float_size)
    return rows


def _listed(column: Values) -> Sequence[Any]:
    """Return a column as the values that a row would have."""
    if not isinstance(column, np.ndarray):
        return column
    if column.ndim > 1:
        return [row.tobytes() for row in column]
    values: list[Any] = column.tolist()
    return [value.decode() for value in values] if column.dtype.kind == "S" else values
