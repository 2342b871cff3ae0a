"""The two files of an index come back as they were written, or are known not to be whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index.records import Floats
from index.vectors.faiss_index import VectorIndex
from index.vectors.files import (
    Stamp,
    check_main,
    main_path,
    put,
    read_main,
    read_main_stamp,
    read_small,
    read_stamp,
    write_main,
    write_small,
)
from index.vectors.ivf import SearchLimits, Segment

DIM = 16
COUNT = 300
HIDDEN = [3, 17, 299]
STATE = Stamp("catalog", "f" * 64, DIM, "float16", COUNT - len(HIDDEN), 42, crc32=0)

Likenesses = Callable[..., Floats]


@pytest.fixture(scope="module")
def main(make_segment: Callable[..., Segment], likenesses: Likenesses) -> Segment:
    """Vectors that were arranged, three of them hidden; not to be changed."""
    built = make_segment(10 * np.arange(COUNT, dtype=np.int64), likenesses(COUNT, DIM), scan_dim=12)
    built.hide_positions(np.array(HIDDEN, np.int64))
    return built


@pytest.fixture
def large(main: Segment, tmp_path: Path) -> Path:
    """The file of these."""
    path = tmp_path / "index.main.faiss"
    write_main(path, main, STATE)
    return path


@pytest.fixture
def small(main: Segment, likenesses: Likenesses, tmp_path: Path) -> Path:
    """The file of what lies beside them."""
    vectors = VectorIndex.empty(DIM, "float16", main)
    vectors.add(np.array([5, 15], np.int64), likenesses(2, DIM, seed=1))
    path = tmp_path / "index.faiss"
    write_small(path, vectors, STATE)
    return path


def _harm(path: Path, position: int, bit: int = 0) -> None:
    """Flip a bit."""
    with path.open("rb+") as file:
        file.seek(position)
        [byte] = file.read(1)
        file.seek(position)
        file.write(bytes([byte ^ 1 << bit]))


def _check_same(read: Segment, main: Segment, queries: Floats) -> None:
    assert read.ids.tolist() == main.ids.tolist()
    assert read.hidden.tolist() == HIDDEN
    assert (read.key, read.autotuned, read.trained_on) == (
        main.key,
        main.autotuned,
        main.trained_on,
    )
    assert (read.kind, len(read)) == (main.kind, len(main))
    allowed = 10 * np.arange(0, COUNT, 2)
    for few in (1000, 0):
        main.limits = read.limits = SearchLimits(few=few)
        for some in (None, allowed):
            expected, found = (
                each.search(queries, 40, None if some is None else each.mask(some))
                for each in (main, read)
            )
            assert found[1].tolist() == expected[1].tolist()
            np.testing.assert_allclose(found[0], expected[0], atol=1e-6)


def test_the_large_file_lies_beside_the_small_one() -> None:
    assert main_path(Path("/store/index.faiss")) == Path("/store/index.main.faiss")


@pytest.mark.parametrize("mapped", [True, False])
def test_arranged_vectors_come_back_as_they_were(
    main: Segment, large: Path, likenesses: Likenesses, mapped: bool
) -> None:
    read = read_main(large, mapped=mapped)
    assert read is not None
    _check_same(read[0], main, likenesses(20, DIM, seed=1))


def test_the_large_file_says_which_state_it_shows(main: Segment, large: Path) -> None:
    stamp = read_main_stamp(large)
    assert stamp is not None
    facts = (stamp.catalog, stamp.fingerprint, stamp.dim, stamp.dtype, stamp.generation)
    assert facts == ("catalog", "f" * 64, DIM, "float16", 42)
    assert (stamp.key, stamp.total, stamp.hidden) == (main.key, COUNT, len(HIDDEN))
    assert stamp.recall == main.autotuned.recall


def test_arranged_vectors_of_which_none_is_hidden_come_back_too(
    main: Segment, tmp_path: Path
) -> None:
    whole = Segment(main.inner, main.ids, main.inverse_lengths, main.autotuned, COUNT)
    write_main(tmp_path / "large", whole, STATE)
    read = read_main(tmp_path / "large")
    assert read is not None
    assert len(read[0]) == COUNT


def test_hiding_what_was_mapped_leaves_the_file_as_it_is(large: Path) -> None:
    before = large.read_bytes()
    read = read_main(large)
    assert read is not None
    assert not read[0].ids.flags.writeable
    assert not read[0].inverse_lengths.flags.writeable
    read[0].hide(np.array([50], np.int64))
    assert read[0].hidden.tolist() == sorted([*HIDDEN, 5])
    del read
    assert large.read_bytes() == before
    assert check_main(large)


def test_a_mapped_file_may_be_replaced_while_it_is_searched(
    main: Segment, large: Path, likenesses: Likenesses, tmp_path: Path
) -> None:
    read = read_main(large)
    assert read is not None
    (tmp_path / "other").write_bytes(b"another file")
    put(tmp_path / "other", large)
    _check_same(read[0], main, likenesses(20, DIM, seed=1))


@pytest.mark.parametrize("mapped", [True, False])
def test_a_folder_whose_name_is_no_unicode_holds_arranged_vectors(
    main: Segment, likenesses: Likenesses, tmp_path: Path, mapped: bool
) -> None:
    odd = tmp_path / os.fsdecode(b"latin1-\xe9")
    odd.mkdir()
    write_main(odd / "large", main, STATE)
    assert check_main(odd / "large")
    read = read_main(odd / "large", mapped=mapped)
    assert read is not None
    _check_same(read[0], main, likenesses(20, DIM, seed=1))


def test_a_large_file_cut_off_anywhere_is_passed_over(large: Path, tmp_path: Path) -> None:
    data = large.read_bytes()
    cut = tmp_path / "cut"
    for length in [*range(0, len(data), 97), *range(len(data) - 40, len(data))]:
        cut.write_bytes(data[:length])
        assert read_main_stamp(cut) is None
        assert read_main(cut) is None
        assert not check_main(cut)


def test_a_large_file_with_more_in_it_is_passed_over(large: Path) -> None:
    data = large.read_bytes()
    large.write_bytes(data[:100] + data[92:])
    assert read_main(large) is None


def test_a_large_file_whose_stamp_is_harmed_is_passed_over(large: Path) -> None:
    stamp = read_main_stamp(large)
    assert stamp is not None
    size = large.stat().st_size
    body = stamp.arrays_at + 8 * (COUNT + len(HIDDEN)) + 4 * COUNT
    assert 200 < size - body < 2000, "the stamp is what is left"
    for position in range(body, size):
        _harm(large, position, position % 8)
        assert read_main(large) is None, position
        _harm(large, position, position % 8)
    assert read_main_stamp(large) == stamp


def test_a_bit_flipped_anywhere_else_is_found_by_reading_all_of_it(large: Path) -> None:
    stamp = read_main_stamp(large)
    assert stamp is not None
    assert check_main(large)
    body = stamp.arrays_at + 8 * (COUNT + len(HIDDEN)) + 4 * COUNT
    for position in [*range(0, body, 61), stamp.arrays_at, body - 1]:
        _harm(large, position, position % 8)
        assert not check_main(large), position
        _harm(large, position, position % 8)
    assert check_main(large)


@pytest.mark.parametrize("data", [None, b"", b"garbage", b"\0" * 5000, b"ENGINEIX" * 3])
def test_what_is_no_large_file_is_passed_over(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "large"
    if data is not None:
        path.write_bytes(data)
    assert read_main_stamp(path) is None
    assert read_main(path) is None
    assert not check_main(path)


def test_the_small_file_is_no_large_one_and_the_large_file_no_small_one(
    small: Path, large: Path
) -> None:
    assert read_main(small) is None
    assert read_small(large) is None


def test_another_index_of_faiss_under_a_stamp_is_passed_over(
    main: Segment, likenesses: Likenesses, tmp_path: Path
) -> None:
    flat = VectorIndex.empty(DIM, "float32")
    flat.add(main.ids, likenesses(COUNT, DIM))
    flat.write(tmp_path / "flat")
    body = (tmp_path / "flat").read_bytes()
    path = tmp_path / "large"
    with pytest.MonkeyPatch.context() as patch:
        # What FAISS writes of an index that compares with every vector stands in its position.
        patch.setattr("index.vectors.files.faiss.write_index", lambda index, writer: writer(body))
        patch.setattr("index.vectors.files.faiss.PyCallbackIOWriter", lambda write: write)
        write_main(path, main, STATE)
    assert check_main(path)
    assert read_main(path) is None


def test_the_small_file_holds_new_vectors_and_what_is_hidden(
    small: Path, main: Segment, likenesses: Likenesses
) -> None:
    read = read_small(small)
    assert read is not None
    vectors, hidden, stamp = read
    assert vectors.main is None
    assert vectors.ids.tolist() == [5, 15]
    new = likenesses(2, DIM, seed=1)
    assert vectors.search(new, 1).ids[:, 0].tolist() == [5, 15]
    assert hidden.tolist() == HIDDEN
    assert (stamp.hidden, stamp.generation) == (len(HIDDEN), 42)


def test_a_small_file_with_a_flipped_bit_anywhere_is_passed_over(small: Path) -> None:
    for position in range(small.stat().st_size):
        _harm(small, position, position % 8)
        assert read_small(small) is None, position
        _harm(small, position, position % 8)
    assert read_small(small) is not None


def test_a_small_file_cut_off_anywhere_is_passed_over(small: Path) -> None:
    data = small.read_bytes()
    for length in range(0, len(data), 7):
        small.write_bytes(data[:length])
        assert read_small(small) is None
        assert read_stamp(small) is None


def test_a_file_is_on_the_disk_before_it_takes_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, path = tmp_path / "file.tmp", tmp_path / "file"
    temporary.write_text("new")
    path.write_text("old")
    new, folder = temporary.stat().st_ino, tmp_path.stat().st_ino
    done: list[object] = []
    fsync, replace = os.fsync, Path.replace

    def told_fsync(handle: int) -> None:
        done.append(os.fstat(handle).st_ino)
        fsync(handle)

    def told_replace(source: Path, target: Path) -> Path:
        done.append("renamed")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", told_fsync)
    monkeypatch.setattr(Path, "replace", told_replace)
    put(temporary, path)
    assert done == [new, "renamed", folder]
    assert path.read_text() == "new"
    assert not temporary.exists()
