"""The files of an exact index may be harmed in any way: it costs time, and nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.sync import OpenedIndex, save_index
from index.vectors.manifest import MANIFEST, read_manifest
from tests.support import REPOSITORY
from tests.support.indexes import (
    checked_at,
    delta_in,
    files_in,
    flip_bit,
    manifest_in,
    open_at,
    save_at,
    settle_at,
)

MakeBatch = Callable[..., Batch]
NewCatalog = Callable[..., AbstractContextManager[Catalog]]
Check = Callable[[Catalog, Path], OpenedIndex]
GARBAGE = [b"", b"garbage", b"\0" * 5000, b"{}", b"[" * 9000, b'{"format": 1, "crc32": 0}']


@pytest.mark.parametrize("data", GARBAGE)
def test_a_manifest_that_is_none_is_passed_over(
    catalog: Catalog, saved: dict[str, bytes], folder: Path, check: Check, data: bytes
) -> None:
    (folder / MANIFEST).write_bytes(data)
    assert read_manifest(folder) is None
    assert checked_at(catalog, folder)[0] == "damaged (will be rebuilt)"
    assert check(catalog, folder).origin == "rebuilt"


@pytest.mark.parametrize("data", GARBAGE)
def test_a_delta_that_is_none_is_passed_over(
    catalog: Catalog, saved: dict[str, bytes], folder: Path, check: Check, data: bytes
) -> None:
    path = delta_in(folder)
    path.write_bytes(data)
    state, problems = checked_at(catalog, folder)
    assert state == "damaged (will be rebuilt)"
    assert problems == [f"{path} is damaged; delete it, and it is built anew"]
    assert check(catalog, folder).origin == "rebuilt"


@pytest.mark.parametrize("name", ["manifest", "delta"])
def test_a_truncated_file_is_passed_over_wherever_it_ends(
    catalog: Catalog, saved: dict[str, bytes], folder: Path, check: Check, name: str
) -> None:
    path = delta_in(folder) if name == "delta" else folder / MANIFEST
    whole = path.read_bytes()
    for length in range(0, len(whole), 23):
        path.write_bytes(whole[:length])
        assert check(catalog, folder).origin == "rebuilt"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["manifest", "delta"])
def test_no_flipped_bit_changes_what_is_found(
    catalog: Catalog, saved: dict[str, bytes], folder: Path, check: Check, name: str
) -> None:
    path = delta_in(folder) if name == "delta" else folder / MANIFEST
    whole, manifest = path.read_bytes(), manifest_in(folder)
    rng = np.random.default_rng(0)
    for position in range(0, len(whole), 3):
        flip_bit(path, position, int(rng.integers(8)))
        # Two spellings of the same JSON are the same manifest.
        assert check(catalog, folder).origin == "rebuilt" or read_manifest(folder) == manifest
        path.write_bytes(whole)


@pytest.mark.parametrize("which", [MANIFEST, "delta"])
def test_a_file_that_is_missing_is_written_again(
    catalog: Catalog, saved: dict[str, bytes], folder: Path, check: Check, which: str
) -> None:
    (delta_in(folder) if which == "delta" else folder / MANIFEST).unlink()
    assert check(catalog, folder).origin == "rebuilt"
    save_at(catalog, folder)
    assert check(catalog, folder).origin == "current"
    assert len(files_in(folder)) == 2


@pytest.mark.parametrize("names", [["../catalog.sqlite"], ["/etc/passwd"], ["delta-0.faiss"]])
def test_a_manifest_names_no_file_but_those_of_an_index(
    catalog: Catalog, saved: dict[str, bytes], folder: Path, names: list[str]
) -> None:
    outer: Any = json.loads((folder / MANIFEST).read_bytes())
    outer["manifest"]["delta"]["file"]["name"] = names[0]
    _write_checked(folder, outer)
    assert read_manifest(folder) is None


@pytest.mark.parametrize("field", ["state", "count", "delta", "segment", "kind"])
def test_a_manifest_that_lacks_something_is_passed_over(
    catalog: Catalog, saved: dict[str, bytes], folder: Path, check: Check, field: str
) -> None:
    outer: Any = json.loads((folder / MANIFEST).read_bytes())
    del outer["manifest"][field]
    _write_checked(folder, outer)
    assert read_manifest(folder) is None
    assert check(catalog, folder).origin == "rebuilt"


def test_a_manifest_of_a_later_format_is_passed_over(
    catalog: Catalog, saved: dict[str, bytes], folder: Path, check: Check
) -> None:
    outer: Any = json.loads((folder / MANIFEST).read_bytes())
    outer["format"] += 1
    _write_checked(folder, outer)
    assert check(catalog, folder).origin == "rebuilt"


def _write_checked(folder: Path, outer: Any) -> None:
    """Write a manifest as another release would, with a checksum that is right."""
    import zlib

    inner = json.dumps(outer["manifest"], sort_keys=True, separators=(",", ":"))
    outer["crc32"] = zlib.crc32(inner.encode())
    (folder / MANIFEST).write_text(json.dumps(outer))


@pytest.mark.parametrize(
    "other", [{"fingerprint": "d" * 64}, {"dtype": "float16"}, {}], ids=["weights", "dtype", "twin"]
)
def test_the_index_of_another_catalog_is_passed_over(
    catalog: Catalog,
    five: list[int],
    folder: Path,
    new_catalog: NewCatalog,
    make_batch: MakeBatch,
    check: Check,
    other: dict[str, str],
) -> None:
    with new_catalog(**other) as foreign:
        foreign.images.store(make_batch([f"/{number}" for number in range(5)], seed=9))
        save_at(foreign, folder)
    assert checked_at(catalog, folder)[0] == "of another history (will be rebuilt)"
    assert check(catalog, folder).origin == "rebuilt"
    save_at(catalog, folder)
    assert check(catalog, folder).origin == "current"


@pytest.mark.parametrize("which", ["manifest", "delta", "all"])
def test_a_folder_in_a_file_s_stead_costs_only_time(
    catalog: Catalog, saved: dict[str, bytes], folder: Path, check: Check, which: str
) -> None:
    path = delta_in(folder) if which == "delta" else folder / MANIFEST
    if which == "all":
        shutil.rmtree(folder)
        folder.write_bytes(b"a file in the folder's stead")
    else:
        path.unlink()
        path.mkdir()
    opened = check(catalog, folder)
    assert opened.origin == "rebuilt"
    assert save_index(opened, catalog) == (which == "delta")
    assert not list(folder.parent.rglob("*.tmp"))


def test_a_store_whose_name_is_no_unicode_holds_an_index(
    catalog: Catalog, five: list[int], tmp_path: Path, check: Check
) -> None:
    odd = tmp_path / os.fsdecode(b"latin1-\xe9")
    odd.mkdir()
    save_at(catalog, odd / "index")
    assert check(catalog, odd / "index").origin == "current"


def test_a_full_disk_leaves_the_old_files(
    catalog: Catalog, saved: dict[str, bytes], folder: Path, make_batch: MakeBatch
) -> None:
    catalog.images.store(make_batch([f"/new/{number}" for number in range(500)], seed=1))
    opened = open_at(catalog, folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        written = save_index(opened, catalog)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not written
    assert files_in(folder) == saved


@pytest.mark.parametrize("save", ["save", "settle"])
@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("after", [0, 1, 2, 3, 4, 5])
def test_a_write_that_fails_at_any_point_leaves_old_or_new_files(
    catalog: Catalog,
    saved: dict[str, bytes],
    folder: Path,
    make_batch: MakeBatch,
    check: Check,
    monkeypatch: pytest.MonkeyPatch,
    save: str,
    call: str,
    after: int,
) -> None:
    catalog.images.store(make_batch(["/new"], seed=1))
    opened = open_at(catalog, folder)
    owner: Any = os if call == "fsync" else Path
    calls, real = 0, getattr(owner, call)

    def fail(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise OSError(errno.EIO, "the disk fails")
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(owner, call, fail)
        written = save_index(opened, catalog) if save == "save" else settle_at(catalog, folder)
    # There are two renames, and a flush of each file and of its folder; to settle is to arrange,
    # too, which writes another file.
    files = 2 if save == "save" else 3
    if after < (files if call == "replace" else 2 * files - 1):
        assert not written
        assert files_in(folder) == saved
        assert check(catalog, folder).origin == "caught up"
    else:
        assert len(files_in(folder)) == files
        assert check(catalog, folder).origin == "current"


KILLED = """
import os, signal, sys
from pathlib import Path
from index.catalog.catalog import Catalog
from tests.support.indexes import save_at
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
with Catalog.open(Path(sys.argv[1])) as catalog:
    save_at(catalog, Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_a_process_killed_while_saving_leaves_the_old_files(
    catalog: Catalog,
    saved: dict[str, bytes],
    tmp_path: Path,
    folder: Path,
    make_batch: MakeBatch,
    check: Check,
) -> None:
    catalog.images.store(make_batch(["/new"], seed=1))
    command = [sys.executable, "-c", KILLED, str(tmp_path / "catalog.sqlite"), str(folder)]
    child = subprocess.run(command, cwd=REPOSITORY, check=False)
    assert child.returncode == -9
    assert {name: files_in(folder)[name] for name in saved} == saved
    assert check(catalog, folder).origin == "caught up"


def test_in_a_read_only_folder_the_index_is_not_saved(
    catalog: Catalog,
    five: list[int],
    open_folder: Path,
    read_only: Callable[[], AbstractContextManager[None]],
) -> None:
    opened = open_at(catalog, open_folder / "index")
    with read_only():
        assert not save_index(opened, catalog)
