"""No file of a store is opened through a link, and no pipe holds a verb up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import Config, Engine
from engine.errors import EngineError, StoreError
from engine.testing import FakeEmbedder
from index.store import Store
from tests.support import REPOSITORY

pytestmark = pytest.mark.slow

PRECIOUS = b"the only copy of a letter\n" * 400
CATALOG = ("catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm", "catalog.sqlite-journal")
# What a store holds: `-` stands for the process, as in the name of a temporary file.
DERIVED = (
    "writer.json",
    "writer.json.-.tmp",
    "index/manifest.json",
    "index/manifest.json.-.tmp",
    "index/delta",
)
VERBS: dict[str, Callable[[Engine, Path], object]] = {
    "search": lambda engine, images: engine.search(_one(images)),
    "index": lambda engine, images: engine.index([images]),
    "status": lambda engine, images: engine.status(),
    "remove": lambda engine, images: engine.remove([images / "lamp"]),
    "compact": lambda engine, images: engine.compact(),
}


def _one(images: Path) -> Path:
    return images / "bed" / "bed-0001.jpg"


def _open(folder: Path) -> Engine:
    config = Config(store=Store(folder))
    return Engine(config, embedder=FakeEmbedder(config))


@pytest.fixture
def store(tmp_path: Path, images: Path) -> Path:
    """A store whose next verb writes."""
    with _open(tmp_path / "store") as engine:
        engine.index([images])
    shutil.copy2(_one(images), images / "bed" / "another.jpg")
    return tmp_path / "store"


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    """A file that is none of the engine's business."""
    path = tmp_path / "letter.txt"
    path.write_bytes(PRECIOUS)
    return path


def _named(store: Path, name: str) -> Path:
    """Return a path in a store; that of the vectors has a name that nobody can foresee."""
    if name == "index/delta":
        [delta] = (store / "index").glob("delta-*.faiss")
        return delta
    return store / name.replace("-.tmp", f"{os.getpid()}.tmp")


def _link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", DERIVED)
def test_a_link_in_place_of_a_derived_file_is_replaced(
    name: str, verb: str, store: Path, letter: Path, images: Path
) -> None:
    path = _named(store, name)
    _link(path, letter)
    with _open(store) as engine:
        VERBS[verb](engine, images)
        hits = engine.search(_one(images), k=1).results
    assert letter.read_bytes() == PRECIOUS
    assert hits[0].score == pytest.approx(1, abs=1e-3)
    if verb == "index":
        assert not path.is_symlink()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", CATALOG)
@pytest.mark.parametrize("dangling", [False, True], ids=["", "dangling"])
def test_a_link_in_place_of_a_file_of_the_catalog_is_refused(
    name: str, dangling: bool, verb: str, store: Path, letter: Path, images: Path
) -> None:
    target = letter.with_name("new.txt") if dangling else letter
    _link(store / name, target)
    with _open(store) as engine, pytest.raises(StoreError) as caught:
        VERBS[verb](engine, images)
    assert caught.value.thing == str(store / name)
    assert f"a link (to {target})" in caught.value.reason
    assert "Remove it" in caught.value.remedy
    assert (letter.read_bytes(), letter.with_name("new.txt").exists()) == (PRECIOUS, False)


def test_a_catalog_elsewhere_is_not_reached_through_a_link(store: Path, images: Path) -> None:
    catalog = (store / "catalog.sqlite").rename(store.parent / "another.sqlite")
    before = catalog.read_bytes()
    (store / "catalog.sqlite").symlink_to(catalog)
    with _open(store) as engine, pytest.raises(StoreError, match="a link"):
        engine.index([images])
    assert catalog.read_bytes() == before
    assert [path.name for path in store.parent.glob("another.sqlite-*")] == []


@pytest.mark.parametrize("dangling", [False, True], ids=["", "dangling"])
def test_a_link_in_place_of_the_lock_is_refused_where_something_is_written(
    dangling: bool, store: Path, letter: Path, images: Path
) -> None:
    target = letter.with_name("new.txt") if dangling else letter
    _link(store / "writer.lock", target)
    with _open(store) as engine:
        for verb in ("index", "remove", "compact", "status"):
            with pytest.raises(StoreError, match="a link"):
                VERBS[verb](engine, images)
    assert (letter.read_bytes(), letter.with_name("new.txt").exists()) == (PRECIOUS, False)


@pytest.mark.parametrize("verb", VERBS)
def test_a_link_in_place_of_the_folder_of_the_index_is_refused(
    verb: str, store: Path, tmp_path: Path, images: Path
) -> None:
    # In that folder files would be made, and all that end in `.tmp` be removed.
    (own := tmp_path / "own").mkdir()
    (own / "draft.tmp").write_bytes(PRECIOUS)
    shutil.rmtree(store / "index")
    (store / "index").symlink_to(own)
    with _open(store) as engine, pytest.raises(StoreError, match="a link"):
        VERBS[verb](engine, images)
    assert [(path.name, path.read_bytes()) for path in own.iterdir()] == [("draft.tmp", PRECIOUS)]


def test_a_store_that_is_itself_a_link_is_used(store: Path, images: Path) -> None:
    link = store.with_name("link")
    link.symlink_to(store)
    with _open(link) as engine:
        engine.index([images])
        assert engine.status().consistent


PIPES = """
import os, sys, threading
from pathlib import Path
from engine import Config, Engine
from engine.errors import EngineError
from engine.testing import FakeEmbedder
from index.store import Store
folder, images, pipe = map(Path, sys.argv[1:])
pipe.unlink(missing_ok=True)
os.mkfifo(pipe)
config = Config(store=Store(folder))
with Engine(config, embedder=FakeEmbedder(config)) as engine:
    for verb in (lambda: engine.search(next(images.rglob("*.jpg"))), lambda: engine.index([images]),
                 engine.status):
        try:
            verb()
            print("done")
        except EngineError as error:
            print("refused", "a pipe" in error.reason)
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
@pytest.mark.parametrize("name", [*CATALOG[:2], "writer.lock", *DERIVED])
def test_a_pipe_in_place_of_a_file_holds_nothing_up(name: str, store: Path, images: Path) -> None:
    arguments = [str(store), str(images), str(_named(store, name))]
    done = subprocess.run(
        [sys.executable, "-c", PIPES, *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert set(done.stdout.splitlines()) <= {"done", "refused True"}, done.stderr
    assert len(done.stdout.splitlines()) == 3, done.stderr


@pytest.mark.parametrize("beside", ["index", "catalog.sqlite-wal"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_catalog_that_was_emptied_is_damaged_and_not_begun_anew(
    beside: str, verb: str, store: Path, images: Path
) -> None:
    (store / "catalog.sqlite").write_bytes(b"")
    if beside != "index":
        shutil.rmtree(store / "index")
        (store / beside).write_bytes(b"what was committed")
    with _open(store) as engine, pytest.raises(EngineError) as caught:
        VERBS[verb](engine, images)
    assert "the catalog is empty (0 bytes)" in caught.value.reason
    assert "Put back a copy" in caught.value.remedy
    assert (store / "catalog.sqlite").read_bytes() == b""
    if beside != "index":
        assert (store / beside).read_bytes() == b"what was committed"


def test_a_catalog_whose_making_was_cut_short_at_once_is_made(tmp_path: Path, images: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "catalog.sqlite").touch()
    with _open(tmp_path / "store") as engine:
        with pytest.raises(StoreError, match="the catalog is empty"):
            engine.status()
        assert engine.index([images]).added == 12
