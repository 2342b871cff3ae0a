"""Vectors as bytes: how an embedding, and what is remembered of it, is stored in a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from index.records import Floats, Ids, Summary, Values, Vectors

# Rows converted at a time: they stay in the processor's cache between the steps.
BLOCK = 64
SUMMARY = np.dtype([("choice", "<i4"), ("logit", "<f4"), ("log_probability", "<f4")])
NO_SUMMARY = np.array([(-1, 0.0, 0.0)], SUMMARY).tobytes()


def pack(unit: Floats, dtype: np.dtype[Any]) -> list[bytes]:
    """Return each row of `unit` `[n, dim]` as little-endian bytes of `dtype`."""
    stored = np.ascontiguousarray(unit, dtype=dtype.newbyteorder("<"))
    return [row.tobytes() for row in stored]


def unpack(keys: Values, blobs: Values, norms: Values, dtype: np.dtype[Any]) -> tuple[Ids, Vectors]:
    """Return keys int64 `[n]` and vectors of the columns of rows."""
    vectors = Vectors(unpack_blobs(blobs, dtype), np.asarray(norms, np.float32))
    return np.asarray(keys, np.int64), vectors


def unpack_blobs(blobs: Values, dtype: np.dtype[Any]) -> Floats:
    """Return float32 `[n, dim]` from `n` blobs of the same length."""
    if not len(blobs):
        return np.zeros((0, 0), np.float32)
    result = np.empty((len(blobs), len(blobs[0]) // dtype.itemsize), np.float32)
    unpack_into(result, blobs, dtype)
    return result


def blob_rows(blobs: Values) -> npt.NDArray[np.uint8]:
    """Return `n` blobs of the same length as uint8 `[n, length]`."""
    if isinstance(blobs, np.ndarray):
        return blobs
    return np.frombuffer(b"".join(blobs), np.uint8).reshape(len(blobs), -1)


def unpack_into(out: Floats, blobs: Values, dtype: np.dtype[Any]) -> None:
    """Write the vectors of `n` blobs to `out`, contiguous float32 `[n, dim]`."""
    PackedVectors.of(blobs, dtype, out.shape[1], out[:, 0]).unpack_into(out)


@dataclass(frozen=True, slots=True)
class PackedVectors:
    """Embeddings in rows, as they are stored, turned into float32 where they are needed.

    Attributes
    ----------
    stored
        float16 or float32 `[n, dim]`, unit vectors.
    norm
        float32 `[n]`, the lengths they had.
    """

    stored: npt.NDArray[Any]
    norm: Floats

    @classmethod
    def of(cls, blobs: Values, dtype: np.dtype[Any], dim: int, norm: Floats) -> PackedVectors:
        """Take the blobs of `n` rows."""
        stored: npt.NDArray[Any] = blob_rows(blobs).view(dtype.newbyteorder("<"))
        return cls(stored.astype(dtype, copy=False).reshape(-1, dim), norm)

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, rows: npt.NDArray[np.bool_] | Ids | slice) -> PackedVectors:
        return PackedVectors(self.stored[rows], self.norm[rows])

    @property
    def vectors(self) -> Vectors:
        """The same, unpacked."""
        unit = np.empty(self.stored.shape, np.float32)
        self.unpack_into(unit)
        return Vectors(unit, self.norm)

    def times(self, matrix: Floats) -> Floats:
        """Return the unit vectors times a matrix `[dim, k]`, float32 `[n, k]`."""
        result = np.empty((len(self.stored), matrix.shape[1]), np.float32)
        unit = np.empty((BLOCK, self.stored.shape[1]), np.float32)
        for start in range(0, len(self.stored), BLOCK):
            stored = self.stored[start : start + BLOCK]
            _unpack(stored, unit[: len(stored)])
            np.matmul(unit[: len(stored)], matrix, out=result[start : start + BLOCK])
        return result

    def unpack_into(self, out: Floats) -> None:
        """Write the unit vectors to `out`, contiguous float32 `[n, dim]`."""
        for start in range(0, len(self.stored), BLOCK):
            _unpack(self.stored[start : start + BLOCK], out[start : start + BLOCK])


def _unpack(stored: npt.NDArray[Any], out: Floats) -> None:
    """Convert finite values three times as fast as numpy does.

    The bits of a float16, moved up by 13, are those of a float32 that is 2**112 times too small:
    the exponents count from 15 and from 127. That holds for subnormal values, too.
    """
    if stored.dtype != np.float16:
        out[:] = stored
        return
    bits = out.view(np.int32)
    np.left_shift(stored.view(np.int16), np.int32(13), out=bits, dtype=np.int32)
    # The shift repeats the sign in the bits between its old position and its new one.
    np.bitwise_and(bits, np.int32(~0x70000000), out=bits)
    np.multiply(out, np.float32(2.0**112), out=out)


def pack_summary(summary: Summary) -> list[bytes | None]:
    """Return what is remembered of each image as bytes, None where nothing is."""
    packed = np.empty(len(summary.choice), SUMMARY)
    for name in SUMMARY.names or ():
        packed[name] = getattr(summary, name)
    return [
        row.tobytes() if known else None
        for row, known in zip(packed, (summary.choice >= 0).tolist(), strict=True)
    ]


def summary_rows(blobs: Values) -> npt.NDArray[Any]:
    """Return what `pack_summary` wrote as rows of `SUMMARY`, `NO_SUMMARY` for None."""
    if not isinstance(blobs, np.ndarray):
        return np.frombuffer(b"".join([blob or NO_SUMMARY for blob in blobs]), SUMMARY)
    return np.ascontiguousarray(blobs).view(SUMMARY).reshape(-1)


def unpack_summary(packed: npt.NDArray[Any]) -> Summary:
    """Return the summary of rows of `SUMMARY`."""
    return Summary(
        packed["choice"].astype(np.int64),
        packed["logit"].astype(np.float32),
        packed["log_probability"].astype(np.float32),
    )
