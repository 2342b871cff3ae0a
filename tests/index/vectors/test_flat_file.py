"""The file of a flat index has the bytes that FAISS itself would write."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest

from index.records import Rows
from index.vectors.flat import Flat
from index.vectors.flat_file import write_rows

DIM = 6
DTYPES = ["float16", "float32"]


def _rows(stored: Any, ids: range, piece: int) -> list[Rows]:
    return [
        (ids[start : start + piece], [row.tobytes() for row in stored[start : start + piece]])
        for start in range(0, len(ids), piece)
    ]


def _written(dtype: str, count: int, rows: list[Rows]) -> bytes:
    written: list[bytes] = []
    write_rows(written.append, DIM, dtype, count, rows)
    return b"".join(written)


def _check(stored: Any, ids: range, piece: int) -> None:
    index = Flat.empty(DIM, stored.dtype.name).inner
    index.add_with_ids(stored.astype(np.float32), np.array(ids, np.int64))
    expected = faiss.serialize_index(index).tobytes()
    written = _written(stored.dtype.name, len(ids), _rows(stored, ids, piece))
    assert written == expected
    read = faiss.deserialize_index(np.frombuffer(written, np.uint8))
    assert faiss.vector_to_array(read.id_map).tolist() == list(ids)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("count", "piece"), [(1, 1), (37, 5), (37, 37), (300, 256)])
def test_an_index_written_in_pieces_is_the_one_faiss_writes(
    dtype: str, count: int, piece: int
) -> None:
    drawn = np.random.default_rng(count).normal(size=(count, DIM)).astype(dtype)
    _check(drawn, range(5, 5 + 3 * count, 3), piece)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_index_of_nothing_is_the_one_faiss_writes(dtype: str) -> None:
    expected = faiss.serialize_index(Flat.empty(DIM, dtype).inner).tobytes()
    assert _written(dtype, 0, []) == expected


def test_every_finite_float16_is_written_as_faiss_writes_it() -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)]
    rows = len(finite) // DIM
    _check(finite[: rows * DIM].reshape(rows, DIM), range(rows), 999)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("claimed", "dim"), [(2, DIM), (4, DIM), (3, DIM + 1), (3, DIM - 1)])
def test_rows_that_are_not_as_expected_are_refused(dtype: str, claimed: int, dim: int) -> None:
    rows = _rows(np.zeros((3, dim), dtype), range(3), 2)
    with pytest.raises(ValueError, match=f"3 rows where {claimed} of length {DIM}"):
        _written(dtype, claimed, rows)
