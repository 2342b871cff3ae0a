"""The manifest says what is current, never goes back, and what it does not name is removed."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.state import CatalogState
from index.vectors.file_entry import PREFETCH_FROM, FileEntry
from index.vectors.ivf.autotune import Autotuned
from index.vectors.manifest import (
    MANIFEST,
    DeltaEntry,
    Manifest,
    SegmentEntry,
    may_replace,
    read_manifest,
    saved_status,
    tidy,
    write_manifest,
)
from tests.support.indexes import flip_bit

# Two histories of copies of one catalog: the first two generations are common to them.
OURS = [CatalogState("catalog", number, f"ours-{number}") for number in range(5)]
THEIRS = [*OURS[:2], *(CatalogState("catalog", number, f"theirs-{number}") for number in (2, 3))]

hexes = st.text("0123456789abcdef", min_size=32, max_size=32)
counts = st.integers(0, 2**60)
states = st.builds(CatalogState, st.text(max_size=40), counts, hexes)
autotuned = st.builds(
    Autotuned,
    st.floats(0, 1),
    counts,
    st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 4)), max_size=3).map(tuple),
)


def files(kind: str) -> st.SearchStrategy[FileEntry]:
    names = hexes.map(lambda key: f"{kind}-{key}.faiss")
    return st.builds(FileEntry, names, counts, st.integers(0, 2**32 - 1), counts)


deltas = st.builds(DeltaEntry, files("delta"), counts)
segments = st.builds(
    SegmentEntry,
    files("segment"),
    st.none() | states,
    counts,
    counts,
    counts,
    counts,
    autotuned,
)
manifests = st.builds(
    Manifest, states, counts, st.text(max_size=40), st.floats(0, 1), deltas, st.none() | segments
)


def _file(folder: Path, name: str, data: bytes = b"vectors") -> FileEntry:
    import zlib

    path = folder / name
    path.write_bytes(data)
    return FileEntry(name, len(data), zlib.crc32(data), path.stat().st_mtime_ns)


def _manifest(folder: Path, state: CatalogState = OURS[3], key: str = "0" * 32) -> Manifest:
    """Write a manifest of one file."""
    delta = DeltaEntry(_file(folder, f"delta-{key}.faiss"), 0)
    manifest = Manifest(state, 5, "exact float16", 1.0, delta)
    write_manifest(folder, manifest)
    return manifest


@pytest.mark.slow
@given(manifest=manifests)
def test_a_manifest_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, manifest: Manifest
) -> None:
    folder = tmp_path_factory.getbasetemp()
    write_manifest(folder, manifest)
    assert read_manifest(folder) == manifest


def test_without_a_manifest_there_is_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
    assert read_manifest(tmp_path / "nowhere") is None


@pytest.mark.parametrize("change", ["count", "token", "crc32"])
def test_a_changed_value_is_no_manifest(tmp_path: Path, change: str) -> None:
    _manifest(tmp_path)
    outer = json.loads((tmp_path / MANIFEST).read_text())
    if change == "count":
        outer["manifest"]["count"] = 6
    elif change == "token":
        outer["manifest"]["state"]["token"] = OURS[2].token
    else:
        outer["crc32"] += 1
    (tmp_path / MANIFEST).write_text(json.dumps(outer))
    assert read_manifest(tmp_path) is None


def _replaces(
    tmp_path: Path, current: CatalogState | None, opened: CatalogState | None, state: CatalogState
) -> bool:
    """Ask whether a manifest of `state`, made from `opened`, may replace that of `current`."""
    made = {each: _manifest(tmp_path, each) for each in [*OURS, *THEIRS]}
    on_disk, started_from = (made[each] if each else None for each in (current, opened))
    return may_replace(on_disk, started_from, state, lambda asked: asked in OURS)


def test_a_newer_state_replaces_what_it_was_made_from(tmp_path: Path) -> None:
    assert _replaces(tmp_path, OURS[2], OURS[2], OURS[3])


def test_a_state_may_be_saved_in_another_form(tmp_path: Path) -> None:
    assert _replaces(tmp_path, OURS[3], OURS[3], OURS[3])


@pytest.mark.parametrize("opened", [None, OURS[1], OURS[3], THEIRS[3]])
def test_nothing_replaces_what_it_was_not_made_from(
    tmp_path: Path, opened: CatalogState | None
) -> None:
    assert not _replaces(tmp_path, OURS[2], opened, OURS[4])


def test_no_older_state_replaces_a_newer_one(tmp_path: Path) -> None:
    assert not _replaces(tmp_path, OURS[4], OURS[4], OURS[3])


@pytest.mark.parametrize("current", [None, OURS[1], OURS[3], THEIRS[3]])
def test_a_state_that_the_catalog_has_left_replaces_nothing(
    tmp_path: Path, current: CatalogState | None
) -> None:
    assert not _replaces(tmp_path, current, current, THEIRS[3])


@pytest.mark.parametrize("current", [None, THEIRS[2], THEIRS[3]])
@pytest.mark.parametrize("opened", [None, OURS[1], THEIRS[2]])
def test_what_is_no_state_of_this_catalog_is_replaced_by_whoever_comes(
    tmp_path: Path, current: CatalogState | None, opened: CatalogState | None
) -> None:
    assert _replaces(tmp_path, current, opened, OURS[1])


def test_files_that_are_not_named_are_removed_and_others_stay(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path)
    left = [f"delta-{'1' * 32}.faiss", f"segment-{'2' * 32}.faiss", "manifest.json.99.tmp"]
    for name in [*left, "delta-short.faiss", "notes.txt"]:
        (tmp_path / name).write_bytes(b"")
    tidy(tmp_path, manifest)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {MANIFEST, manifest.delta.file.name, "delta-short.faiss", "notes.txt"}


def test_without_a_manifest_no_vector_file_is_of_use(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path)
    (tmp_path / MANIFEST).unlink()
    tidy(tmp_path, None)
    assert not list(tmp_path.iterdir())
    assert manifest.files


def test_there_may_be_nothing_to_tidy(tmp_path: Path) -> None:
    tidy(tmp_path / "nowhere", None)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("replaced", [True, False])
def test_files_of_the_release_before_go_once_they_are_replaced(
    tmp_path: Path, replaced: bool
) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    earlier = ["index.faiss", "index.main.faiss", "index.faiss.12.tmp", "index.main.faiss.7.tmp"]
    for name in [*earlier, "catalog.sqlite", "index.txt"]:
        (tmp_path / name).write_bytes(b"")
    manifest = _manifest(folder) if replaced else None
    assert (saved_status(folder).note == "") == replaced
    tidy(folder, manifest)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"index", "catalog.sqlite", "index.txt", *([] if replaced else earlier)}


def test_status_tells_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    assert saved_status(folder).note == "missing"
    (tmp_path / "index.faiss").write_bytes(b"")
    assert saved_status(folder).note == "made by an earlier release"
    folder.mkdir()
    manifest = _manifest(folder)
    status = saved_status(folder)
    assert (status.note, status.damaged, status.state) == ("", (), OURS[3])
    assert (status.count, status.kind, status.recall, status.size) == (5, "exact float16", 1.0, 7)
    path = folder / manifest.delta.file.name
    path.write_bytes(b"VECTORS")
    status = saved_status(folder)
    assert (status.note, status.damaged) == ("damaged", (str(path),))
    (folder / MANIFEST).write_bytes(b"")
    status = saved_status(folder)
    assert (status.note, status.damaged) == ("damaged", (str(folder / MANIFEST),))
    assert status.state is None


@pytest.mark.slow
def test_a_large_file_is_summed_while_the_next_piece_is_read(tmp_path: Path) -> None:
    """Pieces, parts of pieces, and a part in the midst that is left out, each by its last byte."""
    size, codes = PREFETCH_FROM + (2 << 20) + 5, ((3 << 20) + 1, (1 << 20) + 3)
    data = bytearray(np.random.default_rng(0).bytes(size))
    path = tmp_path / f"segment-{'0' * 32}.faiss"
    path.write_bytes(data)
    other = zlib.crc32(data[sum(codes) :], zlib.crc32(data[: codes[0]]))
    entry = FileEntry(path.name, size, zlib.crc32(data), path.stat().st_mtime_ns, codes, other)
    assert entry.is_whole(tmp_path)
    assert entry.is_sound(tmp_path)
    for position in (0, 1 << 20, codes[0] - 1, sum(codes), size - 1):
        flip_bit(path, position)
        assert not entry.is_sound(tmp_path), position
        flip_bit(path, position)
    flip_bit(path, codes[0])
    assert entry.is_sound(tmp_path), "codes may be damaged"
    assert not entry.is_whole(tmp_path)
    path.write_bytes(data[:-1])
    assert not entry.is_sound(tmp_path)


def test_what_a_writer_has_replaced_meanwhile_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _manifest(tmp_path, OURS[3], "3" * 32)
    is_whole, states = FileEntry.is_whole, [(OURS[4], "4" * 32), (OURS[3], "5" * 32)]

    def overtaken(file: FileEntry, folder: Path) -> bool:
        if states:
            tidy(folder, _manifest(folder, *states.pop()))
        return is_whole(file, folder)

    monkeypatch.setattr(FileEntry, "is_whole", overtaken)
    status = saved_status(tmp_path)
    assert (status.damaged, status.state, states) == ((), OURS[4], [])


def test_what_is_damaged_in_each_manifest_is_told_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _manifest(tmp_path)
    keys = iter(range(100))

    def damaged(_: FileEntry, folder: Path) -> bool:
        _manifest(folder, OURS[3], f"{next(keys):032x}")
        return False

    monkeypatch.setattr(FileEntry, "is_whole", damaged)
    assert saved_status(tmp_path).note == "damaged"
