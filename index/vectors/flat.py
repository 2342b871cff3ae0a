"""The FAISS index that compares a query with every vector, and its bytes without the index.

Its codes are the very bytes that the catalog stores. So its file can be written while the catalog
is read, in memory that does not grow with the number of images.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable

import faiss
import numpy as np

from index.records import Rows

# FAISS writes how many elements an array has before it.
_LENGTH = 8


def empty_exact(dim: int, dtype: str) -> faiss.IndexIDMap2:
    """Make an exact index with nothing in it, of the numbers the catalog stores."""
    flat: faiss.Index
    if dtype == "float16":
        flat = faiss.IndexScalarQuantizer(
            dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
    else:
        flat = faiss.IndexFlatIP(dim)
    return faiss.IndexIDMap2(flat)


def write_rows(
    write: Callable[[bytes], object], dim: int, dtype: str, count: int, rows: Iterable[Rows]
) -> None:
    """Write what FAISS would write of an exact index of these rows.

    Parameters
    ----------
    write
        Takes the bytes in their order.
    dim, dtype
        Length of a vector, and how its numbers are stored.
    count
        How many rows there will be.
    rows
        They, in pieces.

    Raises
    ------
    ValueError
        The rows are not as many, or their vectors not as long.
    """
    size = count * dim * np.dtype(dtype).itemsize
    ids = array("q")
    write(_head(dim, dtype, count))
    # Codes of float32 are counted in numbers, others in bytes.
    write(_length(size if dtype == "float16" else count * dim))
    for some, blobs in rows:
        ids.extend(some)
        codes = b"".join(blobs)
        size -= len(codes)
        write(codes)
    if len(ids) != count or size:
        raise ValueError(f"{len(ids)} rows where {count} of {dim} numbers were expected")
    write(_length(count))
    write(ids.tobytes())


def _head(dim: int, dtype: str, count: int) -> bytes:
    """Return what comes before the codes: FAISS writes it for an index that claims to be full."""
    index = empty_exact(dim, dtype)
    index.ntotal = faiss.downcast_index(index.index).ntotal = count
    # Left out are the lengths of codes and ids, both 0.
    return bytes(faiss.serialize_index(index)[: -2 * _LENGTH])


def _length(elements: int) -> bytes:
    return elements.to_bytes(_LENGTH, "little")
