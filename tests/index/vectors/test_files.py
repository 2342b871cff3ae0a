"""The vector files of an index come back as they were written, or are known not to be whole."""

from __future__ import annotations

import gc
import os
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from index.records import Floats
from index.state import CatalogState
from index.vectors.file_entry import FileEntry
from index.vectors.files import read_delta, read_segment, write_delta, write_segment
from index.vectors.flat import Flat
from index.vectors.ivf.segment import SearchLimits, Segment
from index.vectors.manifest import DeltaEntry, SegmentEntry
from tests.support.indexes import flip_bit

DIM = 16
COUNT = 300
HIDDEN = [3, 17, 299]
STATE = CatalogState("catalog", 42, "0" * 32)

Likenesses = Callable[..., Floats]


@pytest.fixture(scope="module")
def built(make_segment: Callable[..., Segment], likenesses: Likenesses) -> Segment:
    """A segment with three images hidden; not to be changed."""
    made = make_segment(10 * np.arange(COUNT, dtype=np.int64), likenesses(COUNT, DIM), scan_dim=12)
    made.hide_positions(np.array(HIDDEN, np.int64))
    return made


@pytest.fixture
def segment(built: Segment, tmp_path: Path) -> SegmentEntry:
    """The entry of its file in `tmp_path`."""
    return write_segment(tmp_path, built, STATE)


@pytest.fixture
def delta(likenesses: Likenesses, tmp_path: Path) -> DeltaEntry:
    """The entry of a delta's file in `tmp_path`, with the positions that are hidden beside it."""
    flat = Flat.empty(DIM, "float16")
    flat.add(np.array([5, 15], np.int64), likenesses(2, DIM, seed=1))
    return write_delta(tmp_path, flat, np.array(HIDDEN, np.int64))


def _path(folder: Path, entry: DeltaEntry | SegmentEntry) -> Path:
    return folder / entry.file.name


def _untouched(path: Path, entry: DeltaEntry | SegmentEntry) -> None:
    """Let a file look as if nobody had written to it."""
    os.utime(path, ns=(entry.file.mtime_ns, entry.file.mtime_ns))


def _check_same(read: Segment | None, built: Segment, queries: Floats) -> None:
    assert read is not None
    assert read.ids.tolist() == built.ids.tolist()
    assert read.hidden.tolist() == HIDDEN
    assert (read.key, read.autotuned) == (built.key, built.autotuned)
    assert (read.kind, len(read), read.trained_on) == (built.kind, len(built), built.trained_on)
    allowed = 10 * np.arange(0, COUNT, 2)
    for few in (1000, 0):
        built.limits = read.limits = SearchLimits(few=few)
        for some in (None, allowed):
            expected, found = (
                each.search(queries, 40, None if some is None else each.mask(some))
                for each in (built, read)
            )
            assert found[1].tolist() == expected[1].tolist()
            np.testing.assert_allclose(found[0], expected[0], atol=1e-6)


@pytest.mark.parametrize("mapped", [True, False])
def test_a_segment_comes_back_as_it_was(
    built: Segment, segment: SegmentEntry, likenesses: Likenesses, tmp_path: Path, mapped: bool
) -> None:
    read = read_segment(tmp_path, segment, mapped=mapped)
    _check_same(read, built, likenesses(20, DIM, seed=1))


def test_the_entry_of_a_segment_says_what_the_file_is(
    built: Segment, segment: SegmentEntry, tmp_path: Path
) -> None:
    found = _path(tmp_path, segment).stat()
    assert segment.file.name == f"segment-{built.key}.faiss"
    assert (segment.file.size, segment.file.mtime_ns) == (found.st_size, found.st_mtime_ns)
    assert (segment.state, segment.total, segment.hidden) == (STATE, COUNT, len(HIDDEN))
    assert segment.file.is_whole(tmp_path)


def test_a_segment_of_which_nothing_is_hidden_comes_back_too(
    built: Segment, tmp_path: Path
) -> None:
    codes = (built.inner, built.ids, built.inverse_lengths, built.autotuned)
    entry = write_segment(tmp_path, Segment(*codes, COUNT), STATE)
    read = read_segment(tmp_path, entry)
    assert read is not None
    assert len(read) == COUNT


def test_a_mapped_segment_can_be_written_again(
    built: Segment, segment: SegmentEntry, likenesses: Likenesses, tmp_path: Path
) -> None:
    read = read_segment(tmp_path, segment)
    assert read is not None
    _path(tmp_path, segment).unlink()
    again = write_segment(tmp_path, read, None)
    assert (again.file.name, again.file.crc32) == (segment.file.name, segment.file.crc32)
    _check_same(read_segment(tmp_path, again), built, likenesses(20, DIM, seed=1))


def test_hiding_what_was_mapped_leaves_the_file_as_it_is(
    segment: SegmentEntry, tmp_path: Path
) -> None:
    before = _path(tmp_path, segment).read_bytes()
    read = read_segment(tmp_path, segment)
    assert read is not None
    assert not read.ids.flags.writeable
    assert not read.inverse_lengths.flags.writeable
    read.hide(np.array([50], np.int64))
    assert read.hidden.tolist() == sorted([*HIDDEN, 5])
    del read
    assert _path(tmp_path, segment).read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="Windows refuses to remove what is mapped")
def test_a_mapped_file_may_be_removed_while_it_is_searched(
    built: Segment, segment: SegmentEntry, likenesses: Likenesses, tmp_path: Path
) -> None:
    read = read_segment(tmp_path, segment)
    _path(tmp_path, segment).unlink()
    _check_same(read, built, likenesses(20, DIM, seed=1))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's /proc")
def test_a_mapping_goes_with_the_last_reference(segment: SegmentEntry, tmp_path: Path) -> None:
    def is_mapped() -> bool:
        return segment.file.name in Path("/proc/self/maps").read_text()

    read = read_segment(tmp_path, segment)
    assert is_mapped()
    del read
    gc.collect()
    assert not is_mapped()


@pytest.mark.parametrize("mapped", [True, False])
def test_a_folder_whose_name_is_no_unicode_holds_a_segment(
    built: Segment, likenesses: Likenesses, tmp_path: Path, mapped: bool
) -> None:
    odd = tmp_path / os.fsdecode(b"latin1-\xe9")
    odd.mkdir()
    entry = write_segment(odd, built, STATE)
    _check_same(read_segment(odd, entry, mapped=mapped), built, likenesses(20, DIM, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("untouched", [True, False])
def test_a_segment_cut_off_anywhere_is_passed_over(
    segment: SegmentEntry, tmp_path: Path, untouched: bool
) -> None:
    path = _path(tmp_path, segment)
    data = path.read_bytes()
    for length in [*range(0, len(data), 97), *range(len(data) - 40, len(data))]:
        path.write_bytes(data[:length])
        if untouched:
            _untouched(path, segment)
        assert read_segment(tmp_path, segment) is None
        assert not segment.file.is_whole(tmp_path)


@pytest.mark.parametrize("untouched", [True, False])
def test_a_segment_with_more_in_it_is_passed_over(
    segment: SegmentEntry, tmp_path: Path, untouched: bool
) -> None:
    path = _path(tmp_path, segment)
    data = path.read_bytes()
    path.write_bytes(data[:100] + data[92:])
    if untouched:
        _untouched(path, segment)
    assert read_segment(tmp_path, segment) is None


def test_a_bit_flipped_anywhere_in_a_segment_is_found(
    segment: SegmentEntry, tmp_path: Path
) -> None:
    path, size = _path(tmp_path, segment), segment.file.size
    for position in [*range(0, size, 61), segment.arrays_at, size - 1]:
        flip_bit(path, position, position % 8)
        assert read_segment(tmp_path, segment) is None, position
        assert not segment.file.is_whole(tmp_path), position
        flip_bit(path, position, position % 8)
    assert segment.file.is_whole(tmp_path)


@pytest.fixture
def coded(built: Segment, tmp_path: Path) -> tuple[SegmentEntry, range]:
    """The entry of a segment that does not read its codes at every opening, and where they lie."""
    entry = write_segment(tmp_path, built, STATE, piece=1024)
    assert entry.file.codes is not None
    start, size = entry.file.codes
    return entry, range(start, start + size)


def test_the_codes_are_the_largest_array_of_a_segment(
    built: Segment, coded: tuple[SegmentEntry, range], tmp_path: Path
) -> None:
    entry, codes = coded
    stored = faiss.downcast_index(built.inner.refine_index).codes
    wanted = faiss.vector_to_array(stored).tobytes()
    found = _path(tmp_path, entry).read_bytes()[codes.start : codes.stop]
    assert wanted.startswith(found)
    assert len(wanted) - len(found) < 1024


def test_of_a_segment_that_nobody_wrote_to_all_but_its_codes_is_read(
    coded: tuple[SegmentEntry, range], tmp_path: Path
) -> None:
    entry, codes = coded
    path = _path(tmp_path, entry)
    for position in range(0, entry.file.size, 17):
        flip_bit(path, position, position % 8)
        _untouched(path, entry)
        assert (read_segment(tmp_path, entry) is not None) == (position in codes), position
        assert not entry.file.is_whole(tmp_path)
        flip_bit(path, position, position % 8)


def test_a_segment_that_may_not_be_touched_is_read_each_time(
    built: Segment,
    open_folder: Path,
    read_only: Callable[[], Any],
) -> None:
    entry = write_segment(open_folder, built, STATE)
    path = _path(open_folder, entry)
    os.utime(path, ns=(0, 0))
    path.chmod(0o444)
    with read_only():
        for _ in range(2):
            assert read_segment(open_folder, entry) is not None
    assert path.stat().st_mtime_ns == 0


@pytest.mark.parametrize("data", [None, b"", b"garbage", b"\0" * 5000])
def test_what_is_no_vector_file_is_passed_over(
    segment: SegmentEntry, delta: DeltaEntry, tmp_path: Path, data: bytes | None
) -> None:
    for entry in (segment, delta):
        path = _path(tmp_path, entry)
        path.unlink()
        if data is not None:
            path.write_bytes(data)
            _untouched(path, entry)
    assert read_segment(tmp_path, segment) is None
    assert read_delta(tmp_path, delta) is None


def _entry_of(folder: Path, name: str, data: bytes) -> FileEntry:
    """Write a file and return an entry by which it is whole."""
    (folder / name).write_bytes(data)
    mtime_ns = (folder / name).stat().st_mtime_ns
    return FileEntry(name, len(data), zlib.crc32(data), mtime_ns)


@pytest.mark.parametrize(
    "content",
    [
        b"no index at all",
        b"",
        faiss.serialize_index(faiss.IndexFlatIP(DIM)).tobytes(),
        # An index whose length is far beyond its bytes.
        faiss.serialize_index(faiss.IndexFlatIP(DIM)).tobytes()[:-8] + b"\xff" * 8,
    ],
    ids=["garbage", "nothing", "another index", "a lie about its length"],
)
def test_whatever_faiss_makes_of_a_file_it_is_passed_over(
    segment: SegmentEntry, tmp_path: Path, content: bytes
) -> None:
    entry = _entry_of(tmp_path, f"delta-{'0' * 32}.faiss", content)
    assert entry.is_whole(tmp_path)
    assert read_delta(tmp_path, DeltaEntry(entry, 0)) is None
    arrays = bytes(8 * COUNT + 8 * len(HIDDEN) + 4 * COUNT)
    file = _entry_of(tmp_path, f"segment-{'0' * 32}.faiss", content + arrays)
    claimed = replace(segment, file=file, arrays_at=len(content))
    for mapped in (True, False):
        assert read_segment(tmp_path, claimed, mapped=mapped) is None
