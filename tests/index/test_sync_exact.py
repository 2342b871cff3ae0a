"""An exact index is settled without being opened: the same file, and little memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.records import CatalogIdentity
from index.sync import OpenedIndex
from index.vectors.manifest import MANIFEST
from tests.support import REPOSITORY
from tests.support.indexes import (
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
CheckLarge = Callable[[Catalog, OpenedIndex], None]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("count", [0, 1, 600])
def test_the_file_is_the_one_that_an_open_index_is_saved_to(
    new_catalog: NewCatalog, make_batch: MakeBatch, tmp_path: Path, dtype: str, count: int
) -> None:
    with new_catalog(dtype=dtype) as catalog:
        if count:
            ids = catalog.images.store(make_batch([f"/{n}" for n in range(count)]))
            catalog.images.hide(ids[7:90])
        ordinary, direct = tmp_path / "ordinary", tmp_path / "direct"
        save_at(catalog, ordinary)
        assert settle_at(catalog, direct) is None
    assert delta_in(direct).read_bytes() == delta_in(ordinary).read_bytes()
    one, other = manifest_in(direct), manifest_in(ordinary)
    assert (one.state, one.count, one.kind, one.recall) == (
        other.state,
        other.count,
        other.kind,
        other.recall,
    )


def test_files_that_are_current_are_left_as_they_are(
    catalog: Catalog, saved: dict[str, bytes], folder: Path
) -> None:
    assert settle_at(catalog, folder) is None, "saved, but not arranged"
    before = {path: path.stat() for path in folder.iterdir()}
    assert settle_at(catalog, folder) is None
    after = {path: path.stat() for path in folder.iterdir()}
    assert {path: (each.st_ino, each.st_mtime_ns) for path, each in before.items()} == {
        path: (each.st_ino, each.st_mtime_ns) for path, each in after.items()
    }


@pytest.mark.parametrize("position", [0, 60, -30])
@pytest.mark.parametrize("which", ["manifest", "delta"])
def test_a_damaged_file_is_written_anew(
    catalog: Catalog,
    saved: dict[str, bytes],
    folder: Path,
    check: Check,
    which: str,
    position: int,
) -> None:
    delta = delta_in(folder)
    whole, path = delta.read_bytes(), delta if which == "delta" else folder / MANIFEST
    flip_bit(path, position % path.stat().st_size)
    assert settle_at(catalog, folder) is None
    assert delta_in(folder).read_bytes() == whole
    assert not delta.exists(), "files are never changed, but exchanged for others"
    assert check(catalog, folder).origin == "current"


@pytest.mark.parametrize("changed", [True, False])
def test_what_a_killed_process_left_is_cleared_away(
    catalog: Catalog,
    saved: dict[str, bytes],
    folder: Path,
    make_batch: MakeBatch,
    check: Check,
    changed: bool,
) -> None:
    if changed:
        catalog.images.store(make_batch(["/new"], seed=1))
    for name in (f"delta-{'0' * 32}.faiss", f"segment-{'1' * 32}.faiss"):
        (folder / name).write_bytes(b"never named")
        (folder / f"{name}.4711.tmp").write_bytes(b"half an index")
    (folder / "manifest.json.4711.tmp").write_bytes(b"half a manifest")
    (folder / "README").write_text("somebody else's")
    assert settle_at(catalog, folder) is None
    named = [file.name for file in manifest_in(folder).files]
    assert sorted(files_in(folder)) == sorted(["README", MANIFEST, *named])
    assert check(catalog, folder).origin == "current"


def test_an_index_with_a_segment_is_opened_to_be_settled(
    large: Catalog, folder: Path, check_large: CheckLarge, add: Callable[..., None]
) -> None:
    add(large, 3)
    opened = settle_at(large, folder)
    assert opened is not None
    assert opened.origin == "caught up"
    check_large(large, opened)
    assert manifest_in(folder).state == large.state()


def test_from_a_segment_to_exact_and_on(
    large: Catalog, folder: Path, check_large: CheckLarge, add: Callable[..., None]
) -> None:
    large.prefer("exact", None)
    assert settle_at(large, folder) is None
    assert manifest_in(folder).segment is None
    assert not list(folder.glob("segment-*")), "the segment's file is gone"
    check_large(large, open_at(large, folder))
    add(large, 3)
    assert settle_at(large, folder) is None
    check_large(large, open_at(large, folder))
    assert manifest_in(folder).count == 123


SETTLED = """
import sys
from pathlib import Path
from index.catalog.catalog import Catalog
from tests.support.indexes import settle_at

def peak():
    [line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM:")]
    return 1024 * int(line.split()[1])

peaks = []
for folder in map(Path, sys.argv[1:]):
    with Catalog.open(folder / "catalog.sqlite") as catalog:
        assert settle_at(catalog, folder / "index") is None
        assert settle_at(catalog, folder / "index") is None
    peaks.append(peak())
print(peaks[1] - peaks[0])
"""
# Memory that was given back counts no more: glibc else keeps blocks as large as any it has seen.
GIVES_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_the_memory_it_takes_does_not_grow_with_the_vectors(
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
    environment = os.environ | GIVES_BACK
    child = subprocess.run(
        command, cwd=REPOSITORY, env=environment, check=True, capture_output=True, text=True
    )
    index_bytes = delta_in(many / "index").stat().st_size
    assert index_bytes > 36e6
    assert int(child.stdout) < index_bytes / 4
