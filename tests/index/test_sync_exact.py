"""An exact index is settled without being opened: the same file, and memory that does not grow."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from index.catalog.catalog import Catalog
from index.catalog.images import Batch
from index.records import CatalogIdentity
from index.sync import OpenedIndex, open_index, save_index, settle_index
from index.vectors.files import main_path, read_stamp
from index.vectors.manifest import Stamp
from tests.support import REPOSITORY

MakeBatch = Callable[..., Batch]
NewCatalog = Callable[..., AbstractContextManager[Catalog]]
CheckedIndex = Callable[[Catalog, Path], OpenedIndex]
CheckLarge = Callable[[Catalog, OpenedIndex], None]


def _stamp(path: Path) -> Stamp:
    stamp = read_stamp(path)
    assert stamp is not None
    return stamp


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("count", [0, 1, 600])
def test_the_file_is_the_one_that_an_open_index_is_saved_to(
    new_catalog: NewCatalog, make_batch: MakeBatch, tmp_path: Path, dtype: str, count: int
) -> None:
    with new_catalog(dtype=dtype) as catalog:
        if count:
            ids = catalog.images.store(make_batch([f"/{n}" for n in range(count)]))
            catalog.images.hide(ids[7:90])
        ordinary, direct = tmp_path / "ordinary.faiss", tmp_path / "direct.faiss"
        assert save_index(open_index(catalog, ordinary), catalog, ordinary)
        assert settle_index(catalog, direct) is None
    assert direct.read_bytes() == ordinary.read_bytes()


def test_a_file_that_is_current_is_left_as_it_is(
    catalog: Catalog, saved: bytes, index_file: Path
) -> None:
    before = index_file.stat()
    assert settle_index(catalog, index_file) is None
    after = index_file.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("place", [0, 60, -30])
def test_a_damaged_file_is_written_anew(
    catalog: Catalog, saved: bytes, index_file: Path, check: CheckedIndex, place: int
) -> None:
    harmed = bytearray(saved)
    harmed[place] ^= 1
    index_file.write_bytes(harmed)
    assert settle_index(catalog, index_file) is None
    assert index_file.read_bytes() == saved
    assert check(catalog, index_file).state == "current"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file(
    catalog: Catalog,
    saved: bytes,
    index_file: Path,
    make_batch: MakeBatch,
    check: CheckedIndex,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
) -> None:
    catalog.images.store(make_batch(["/new"], seed=1))

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, fail)
        assert settle_index(catalog, index_file) is None
    assert index_file.read_bytes() == saved
    assert not list(index_file.parent.glob("*.tmp"))
    assert check(catalog, index_file).state == "caught up"


def test_what_a_killed_process_left_is_cleared_away(
    catalog: Catalog, saved: bytes, index_file: Path, make_batch: MakeBatch, check: CheckedIndex
) -> None:
    catalog.images.store(make_batch(["/new"], seed=1))
    index_file.with_name("index.faiss.4711.tmp").write_bytes(b"half an index")
    main_path(index_file).write_bytes(b"another's")
    assert settle_index(catalog, index_file) is None
    assert not list(index_file.parent.glob("*.tmp"))
    assert not main_path(index_file).exists()
    assert check(catalog, index_file).state == "current"


def test_an_arranged_index_is_opened_to_be_settled(
    large: Catalog, index_file: Path, check_large: CheckLarge, add: Callable[..., None]
) -> None:
    add(large, 3)
    opened = settle_index(large, index_file)
    assert opened is not None
    assert opened.state == "caught up"
    check_large(large, opened)
    assert _stamp(index_file).generation == large.generation()


def test_from_arranged_to_exact_and_on(
    large: Catalog, index_file: Path, check_large: CheckLarge, add: Callable[..., None]
) -> None:
    large.prefer("exact", None)
    opened = settle_index(large, index_file)
    assert opened is not None
    assert opened.vectors.main is None
    assert not main_path(index_file).exists()
    add(large, 3)
    assert settle_index(large, index_file) is None
    check_large(large, open_index(large, index_file))
    assert _stamp(index_file).count == 123


SETTLED = """
import sys
from pathlib import Path
from index.catalog.catalog import Catalog
from index.sync import settle_index

def peak():
    [line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM:")]
    return 1024 * int(line.split()[1])

peaks = []
for folder in map(Path, sys.argv[1:]):
    with Catalog.open(folder / "catalog.sqlite") as catalog:
        assert settle_index(catalog, folder / "index.faiss") is None
        assert settle_index(catalog, folder / "index.faiss") is None
    peaks.append(peak())
print(peaks[1] - peaks[0])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_the_memory_it_takes_does_not_grow_with_the_number_of_images(
    make_identity: Callable[..., CatalogIdentity], make_batch: MakeBatch, tmp_path: Path
) -> None:
    few, many = tmp_path / "few", tmp_path / "many"
    for folder, pieces in ((few, 3), (many, 18)):
        folder.mkdir()
        identity = make_identity(dim=2048, dtype="float16")
        with Catalog.create(folder / "catalog.sqlite", identity) as catalog:
            for piece in range(pieces):
                drawn = np.random.default_rng(piece).normal(size=(500, 2048)).astype(np.float32)
                paths = [f"/{piece}/{number}" for number in range(500)]
                catalog.images.store(make_batch(paths, embeddings=drawn, seed=piece))
    command = [sys.executable, "-c", SETTLED, str(few), str(many)]
    child = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    index_bytes = (many / "index.faiss").stat().st_size
    assert index_bytes > 36e6
    assert int(child.stdout) < index_bytes / 4
