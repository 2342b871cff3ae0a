"""The FAISS file may be harmed in any way: it costs time, and nothing is lost."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from index.catalog.catalog import Catalog
from index.catalog.images import Batch
from index.sync import OpenedIndex, open_index, save_index
from index.vectors.files import read_stamp
from tests.support import REPOSITORY

MakeBatch = Callable[..., Batch]
NewCatalog = Callable[..., AbstractContextManager[Catalog]]
CheckedIndex = Callable[[Catalog, Path], OpenedIndex]


@pytest.mark.parametrize("data", [b"", b"garbage", b"\0" * 5000, b"ENGINEIX" * 3])
def test_a_file_that_is_no_index_is_passed_over(
    catalog: Catalog, saved: bytes, index_file: Path, check: CheckedIndex, data: bytes
) -> None:
    index_file.write_bytes(data)
    assert read_stamp(index_file) is None
    assert check(catalog, index_file).state == "rebuilt"


def test_a_truncated_file_is_passed_over_wherever_it_ends(
    catalog: Catalog, saved: bytes, index_file: Path, check: CheckedIndex
) -> None:
    for length in range(0, len(saved), 23):
        index_file.write_bytes(saved[:length])
        assert check(catalog, index_file).state == "rebuilt"


def test_no_flipped_bit_changes_what_is_found(
    catalog: Catalog, saved: bytes, index_file: Path, check: CheckedIndex
) -> None:
    rng = np.random.default_rng(0)
    for place in range(0, len(saved), 3):
        harmed = bytearray(saved)
        harmed[place] ^= 1 << int(rng.integers(8))
        index_file.write_bytes(harmed)
        assert check(catalog, index_file).state in ("rebuilt", "caught up")


@pytest.mark.parametrize(
    "other", [{"fingerprint": "d" * 64}, {"dtype": "float16"}, {}], ids=["weights", "dtype", "twin"]
)
def test_the_index_of_another_catalog_is_passed_over(
    catalog: Catalog,
    five: list[int],
    index_file: Path,
    new_catalog: NewCatalog,
    make_batch: MakeBatch,
    check: CheckedIndex,
    other: dict[str, str],
) -> None:
    with new_catalog(**other) as foreign:
        foreign.images.store(make_batch([f"/{number}" for number in range(5)], seed=9))
        assert save_index(open_index(foreign, index_file), foreign, index_file)
    assert check(catalog, index_file).state == "rebuilt"


def test_a_file_ahead_of_its_catalog_is_passed_over(
    catalog: Catalog,
    five: list[int],
    tmp_path: Path,
    index_file: Path,
    make_batch: MakeBatch,
    check: CheckedIndex,
) -> None:
    catalog.close()
    backup = shutil.copy(tmp_path / "catalog.sqlite", tmp_path / "backup.sqlite")
    catalog.images.store(make_batch(["/later"], seed=1))
    assert save_index(open_index(catalog, index_file), catalog, index_file)
    with Catalog.open(Path(backup)) as restored:
        assert check(restored, index_file).state == "rebuilt"


def test_a_folder_in_the_files_place_costs_only_time(
    catalog: Catalog, five: list[int], index_file: Path, check: CheckedIndex
) -> None:
    index_file.mkdir()
    opened = check(catalog, index_file)
    assert opened.state == "rebuilt"
    assert not save_index(opened, catalog, index_file)
    assert index_file.is_dir()
    assert not list(index_file.parent.glob("*.tmp"))


def test_a_store_whose_name_is_no_unicode_keeps_an_index(
    catalog: Catalog, five: list[int], tmp_path: Path, check: CheckedIndex
) -> None:
    odd = tmp_path / os.fsdecode(b"latin1-\xe9")
    odd.mkdir()
    assert save_index(open_index(catalog, odd / "index.faiss"), catalog, odd / "index.faiss")
    assert check(catalog, odd / "index.faiss").state == "current"


def test_a_full_disk_leaves_the_old_file(
    catalog: Catalog, saved: bytes, index_file: Path, make_batch: MakeBatch
) -> None:
    catalog.images.store(make_batch([f"/new/{number}" for number in range(500)], seed=1))
    opened = open_index(catalog, index_file)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        written = save_index(opened, catalog, index_file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not written
    assert index_file.read_bytes() == saved
    assert not list(index_file.parent.glob("*.tmp"))


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_at_any_point_leaves_the_old_file(
    catalog: Catalog,
    saved: bytes,
    index_file: Path,
    make_batch: MakeBatch,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
) -> None:
    catalog.images.store(make_batch(["/new"], seed=1))
    opened = open_index(catalog, index_file)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "the disk fails")

    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, fail)
        assert not save_index(opened, catalog, index_file)
    assert index_file.read_bytes() == saved
    assert not list(index_file.parent.glob("*.tmp"))


KILLED = """
import os, signal, sys
from pathlib import Path
from index.catalog.catalog import Catalog
from index.sync import open_index, save_index
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
with Catalog.open(Path(sys.argv[1])) as catalog:
    save_index(open_index(catalog, Path(sys.argv[2])), catalog, Path(sys.argv[2]))
"""


def test_a_process_killed_while_saving_leaves_the_old_file(
    catalog: Catalog,
    saved: bytes,
    tmp_path: Path,
    index_file: Path,
    make_batch: MakeBatch,
    check: CheckedIndex,
) -> None:
    catalog.images.store(make_batch(["/new"], seed=1))
    command = [sys.executable, "-c", KILLED, str(tmp_path / "catalog.sqlite"), str(index_file)]
    child = subprocess.run(command, cwd=REPOSITORY, check=False)
    assert child.returncode == -9
    assert index_file.read_bytes() == saved
    assert check(catalog, index_file).state == "caught up"


def test_in_a_read_only_folder_the_index_is_not_saved(
    catalog: Catalog,
    five: list[int],
    open_folder: Path,
    read_only: Callable[[], AbstractContextManager[None]],
) -> None:
    opened = open_index(catalog, open_folder / "index.faiss")
    with read_only():
        assert not save_index(opened, catalog, open_folder / "index.faiss")
