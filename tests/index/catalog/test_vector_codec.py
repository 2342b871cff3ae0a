"""Vectors as bytes, and back."""

from __future__ import annotations

import numpy as np
import pytest

from index.catalog.vector_codec import (
    pack,
    pack_summary,
    summary_rows,
    unpack_blobs,
    unpack_summary,
)
from index.records import Summary

HALF = np.dtype("float16")


def test_every_finite_float16_is_read_as_the_value_it_is() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].reshape(-1, 4)
    read = unpack_blobs([row.tobytes() for row in halves], HALF)
    assert read.view(np.uint32).tolist() == halves.astype(np.float32).view(np.uint32).tolist()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_rows_come_back_in_order_whatever_their_number(dtype: str, count: int) -> None:
    stored = np.random.default_rng(count).normal(size=(count, 5)).astype(dtype)
    blobs = pack(stored.astype(np.float32), np.dtype(dtype))
    assert np.array_equal(unpack_blobs(blobs, np.dtype(dtype)), stored.astype(np.float32))


def test_no_rows_are_no_vectors() -> None:
    assert unpack_blobs([], HALF).size == 0


def test_a_summary_comes_back_with_its_gaps() -> None:
    summary = Summary(
        np.array([999, -1, 0]),
        np.array([12.5, 0.0, -3.25], np.float32),
        np.array([-0.5, 0.0, -7.75], np.float32),
    )
    packed = pack_summary(summary)
    assert [blob is None for blob in packed] == [False, True, False]
    read = unpack_summary(summary_rows(packed))
    assert read.choice.tolist() == [999, -1, 0]
    assert read.logit.tolist() == [12.5, 0.0, -3.25]
    assert read.log_probability.tolist() == [-0.5, 0.0, -7.75]


@pytest.mark.parametrize(("choices", "complete"), [([3, 0], True), ([3, -1], False), ([], True)])
def test_a_summary_is_complete_where_nothing_is_missing(choices: list[int], complete: bool) -> None:
    zeros = np.zeros(len(choices), np.float32)
    assert Summary(np.array(choices, np.int64), zeros, zeros).complete is complete
