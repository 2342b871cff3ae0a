"""The file of a delta comes back as it was written, or is known not to be whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index.records import Floats
from index.vectors.files import read_delta, write_delta
from index.vectors.flat import Flat
from index.vectors.manifest import DeltaEntry
from tests.support.indexes import flip_bit

DIM = 16
HIDDEN, FORGOTTEN = [3, 17, 299], [5, 8]

Likenesses = Callable[..., Floats]


@pytest.fixture
def delta(likenesses: Likenesses, tmp_path: Path) -> DeltaEntry:
    """The entry of a delta's file in `tmp_path`, with the positions that are hidden beside it."""
    flat = Flat.empty(DIM, "float16")
    flat.add(np.array([5, 15], np.int64), likenesses(2, DIM, seed=1))
    return write_delta(tmp_path, flat, np.array(HIDDEN, np.int64), np.array(FORGOTTEN, np.int64))


def _untouched(path: Path, entry: DeltaEntry) -> None:
    """Let a file look as if nobody had written to it."""
    os.utime(path, ns=(entry.file.mtime_ns, entry.file.mtime_ns))


def test_a_delta_holds_new_vectors_and_what_is_hidden(
    delta: DeltaEntry, likenesses: Likenesses, tmp_path: Path
) -> None:
    read = read_delta(tmp_path, delta)
    assert read is not None
    flat, hidden, forgotten = read
    assert flat.ids.tolist() == [5, 15]
    new = likenesses(2, DIM, seed=1)
    assert flat.search(new, 1)[1][:, 0].tolist() == [5, 15]
    assert (hidden.tolist(), forgotten.tolist()) == (HIDDEN, FORGOTTEN)


def test_a_delta_with_a_flipped_bit_anywhere_is_passed_over(
    delta: DeltaEntry, tmp_path: Path
) -> None:
    path = tmp_path / delta.file.name
    for position in range(delta.file.size):
        flip_bit(path, position, position % 8)
        _untouched(path, delta)
        assert read_delta(tmp_path, delta) is None, position
        flip_bit(path, position, position % 8)
    assert read_delta(tmp_path, delta) is not None


def test_a_delta_cut_off_anywhere_is_passed_over(delta: DeltaEntry, tmp_path: Path) -> None:
    path = tmp_path / delta.file.name
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        _untouched(path, delta)
        assert read_delta(tmp_path, delta) is None


def test_every_file_has_a_name_of_its_own(likenesses: Likenesses, tmp_path: Path) -> None:
    flat = Flat.empty(DIM, "float16")
    names = {write_delta(tmp_path, flat).file.name for _ in range(5)}
    assert len(names) == len(list(tmp_path.iterdir())) == 5
