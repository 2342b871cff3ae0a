"""Vectors as bytes: how one row's embedding is written and read back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from index.records import Floats, Ids, Vectors


def pack(unit: Floats, dtype: np.dtype[Any]) -> list[bytes]:
    """Return each row of `unit` `[n, dim]` as little-endian bytes of `dtype`."""
    stored = np.ascontiguousarray(unit, dtype=dtype.newbyteorder("<"))
    return [row.tobytes() for row in stored]


def unpack(rows: Sequence[Any], dtype: np.dtype[Any]) -> tuple[Ids, Vectors]:
    """Return keys int64 `[n]` and vectors of rows `(key, blob, norm)`."""
    keys = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    norm = np.fromiter((row[2] for row in rows), np.float32, len(rows))
    return keys, Vectors(unpack_blobs([row[1] for row in rows], dtype), norm)


def unpack_blobs(blobs: Sequence[bytes], dtype: np.dtype[Any]) -> Floats:
    """Return float32 `[n, dim]` from `n` blobs of the same length."""
    if not blobs:
        return np.zeros((0, 0), np.float32)
    flat: npt.NDArray[Any] = np.frombuffer(b"".join(blobs), dtype=dtype.newbyteorder("<"))
    return flat.reshape(len(blobs), -1).astype(np.float32)
