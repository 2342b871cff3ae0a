"""Who saves late never undoes what was saved meanwhile, in one process or in two."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from index.catalog.catalog import Catalog
from index.sync import OpenedIndex, save_index
from index.vectors.choose import FaissLimits
from index.vectors.manifest import MANIFEST, read_manifest
from tests.support import REPOSITORY
from tests.support.indexes import (
    files_in,
    manifest_in,
    open_at,
    save_at,
    segment_in,
    segment_of,
    settle_at,
)

Add = Callable[..., None]
Check = Callable[[Catalog, OpenedIndex], None]
# Build a segment anew as soon as anything was added.
EAGER = FaissLimits(growth=1.0)


def test_an_older_state_does_not_replace_a_newer_one(
    large: Catalog, folder: Path, add: Add, check_large: Check
) -> None:
    add(large, 2, seed=1)
    late = open_at(large, folder)
    add(large, 2, seed=2)
    settle_at(large, folder)
    before = files_in(folder)
    assert not save_index(late, large)
    assert files_in(folder) == before
    check_large(large, open_at(large, folder))


def test_a_search_that_saves_late_leaves_a_new_segment_alone(
    large: Catalog, folder: Path, add: Add, check_large: Check
) -> None:
    add(large, 2, seed=1)
    late = open_at(large, folder)
    old = segment_in(folder)
    settle_at(large, folder, EAGER)
    assert segment_in(folder) != old
    before = files_in(folder)
    assert late.state == large.state(), "it is the same state, but beside the old segment"
    assert not save_index(late, large)
    assert files_in(folder) == before
    assert open_at(large, folder).origin == "current"


def test_a_newer_state_beside_an_old_segment_does_not_replace_a_new_one(
    large: Catalog, folder: Path, add: Add, check_large: Check
) -> None:
    before_all = open_at(large, folder)
    add(large, 2, seed=1)
    settle_at(large, folder, EAGER)
    new = segment_in(folder)
    add(large, 2, seed=2)
    # It has caught up with what the writer's files do not show yet.
    late = OpenedIndex(before_all.vectors, large.state(), "caught up")
    assert not save_index(late, large)
    assert segment_in(folder) == new
    check_large(large, open_at(large, folder))


def test_who_saves_in_time_is_followed_by_the_writer(
    large: Catalog, folder: Path, add: Add, check_large: Check
) -> None:
    add(large, 2, seed=1)
    reader = open_at(large, folder)
    assert save_index(reader, large)
    add(large, 2, seed=2)
    settle_at(large, folder, EAGER)
    assert manifest_in(folder).state == large.state()
    check_large(large, open_at(large, folder))
    found = reader.vectors.search(large.embeddings.all()[1].unit[:122], 1)
    assert found.ids[:, 0].tolist() == list(range(1, 123)), "what is mapped stays usable"


def test_of_two_that_built_the_first_one_stays(
    large: Catalog, folder: Path, tmp_path: Path
) -> None:
    for path in folder.iterdir():
        path.unlink()
    one, other = open_at(large, folder), open_at(large, folder)
    assert one.origin == other.origin == "rebuilt"
    assert save_index(one, large)
    assert not save_index(other, large)
    assert segment_in(folder).name == f"segment-{segment_of(one).key}.faiss"
    assert len(files_in(folder)) == 3


@pytest.mark.parametrize("lost", ["manifest", "everything"])
def test_what_was_lost_meanwhile_is_saved_again(
    large: Catalog, folder: Path, add: Add, check_large: Check, lost: str
) -> None:
    add(large, 2)
    opened = open_at(large, folder)
    for path in [folder / MANIFEST] if lost == "manifest" else list(folder.iterdir()):
        path.unlink()
    assert save_index(opened, large)
    again = open_at(large, folder)
    assert again.origin == "current"
    check_large(large, again)
    assert len(files_in(folder)) == 3


def test_a_damaged_manifest_is_replaced_by_whoever_comes(
    large: Catalog, folder: Path, add: Add, check_large: Check
) -> None:
    add(large, 2)
    opened = open_at(large, folder)
    (folder / MANIFEST).write_bytes(b"damaged")
    assert save_index(opened, large)
    check_large(large, open_at(large, folder))


def test_one_index_may_be_saved_again_and_again(large: Catalog, folder: Path) -> None:
    opened = open_at(large, folder)
    for _ in range(3):
        assert save_index(opened, large)
    assert open_at(large, folder).origin == "current"
    assert len(files_in(folder)) == 3


def test_a_reader_finds_its_files_exchanged_and_looks_again(
    large: Catalog, folder: Path, add: Add, check_large: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    from index.vectors import faiss_index

    real, calls = faiss_index.read_segment, 0

    def exchanged(*arguments: object, **settings: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 1:
            # Between the reader's looks at the manifest and at the files, a writer saves.
            add(large, 2)
            settle_at(large, folder, EAGER)
        return real(*arguments, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(faiss_index, "read_segment", exchanged)
    opened = open_at(large, folder)
    assert opened.origin == "current"
    check_large(large, opened)


# Opens an index as a search does; saves it when it is told to.
READER = """
import sys
from pathlib import Path
from index.catalog.catalog import Catalog
from index.files.lock import writer_lock
from index.sync import save_index
from tests.support.indexes import open_at

folder = Path(sys.argv[1])
with Catalog.open(folder / "catalog.sqlite") as catalog:
    opened = open_at(catalog, folder / "index")
    print(opened.origin, flush=True)
    sys.stdin.readline()
    with writer_lock(folder):
        saved = save_index(opened, catalog)
    print(saved, flush=True)
"""


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Another process that opens the index, and saves it later."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", READER, str(tmp_path)]
        pipe = subprocess.PIPE
        child = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=REPOSITORY)
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def _said(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def _let_save(child: subprocess.Popen[str]) -> str:
    assert child.stdin is not None
    print("save", file=child.stdin, flush=True)
    return _said(child)


@pytest.mark.slow
def test_another_process_that_saves_late_changes_nothing(
    large: Catalog,
    folder: Path,
    add: Add,
    check_large: Check,
    reader: Callable[[], subprocess.Popen[str]],
) -> None:
    add(large, 2, seed=1)
    child = reader()
    assert _said(child) == "caught up"
    add(large, 2, seed=2)
    settle_at(large, folder, EAGER)
    before = files_in(folder)
    assert _let_save(child) == "False"
    assert files_in(folder) == before
    check_large(large, open_at(large, folder))


@pytest.mark.slow
def test_another_process_that_saves_in_time_is_gone_on_from(
    large: Catalog,
    folder: Path,
    add: Add,
    check_large: Check,
    reader: Callable[[], subprocess.Popen[str]],
) -> None:
    add(large, 2, seed=1)
    child = reader()
    assert _said(child) == "caught up"
    assert _let_save(child) == "True"
    assert open_at(large, folder).origin == "current"
    add(large, 2, seed=2)
    save_at(large, folder)
    check_large(large, open_at(large, folder))


@pytest.mark.slow
def test_of_two_processes_that_search_the_second_to_save_changes_nothing(
    large: Catalog, folder: Path, add: Add, reader: Callable[[], subprocess.Popen[str]]
) -> None:
    add(large, 2, seed=1)
    one, other = reader(), reader()
    assert (_said(one), _said(other)) == ("caught up", "caught up")
    assert _let_save(one) == "True"
    saved = read_manifest(folder)
    assert _let_save(other) == "False"
    assert read_manifest(folder) == saved
