"""A store whose vectors are in Milvus: the same commands, and the same answers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from index.catalog.catalog import Catalog
from index.catalog.sql.urls import name_of
from tests.support import REPOSITORY
from tests.support.command import Run
from tests.support.milvus import running_milvus

# A command that is killed when all is written but the last stamp.
KILLED = """
import os, signal
from index.vectors.milvus.stamp import Stamp
Stamp.reached = lambda self: os.kill(os.getpid(), signal.SIGKILL)
"""
HOLDER = """
import sys
from index.vectors.milvus.lite import LiteFile
file = LiteFile(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """The path of a file of Milvus Lite, where nothing lies yet."""
    return tmp_path / "vectors.db"


@pytest.fixture
def store(quick: Run, ready: Path, images: Path, tmp_path: Path, vectors: Path) -> Path:
    """A store of twelve pictures, whose vectors are there."""
    store = tmp_path / "store"
    done = quick("index", images, "--label", "parent", "--store", store, "--vectors", vectors)
    assert done.returncode == 0, done.stderr
    return store


def answer(run: Run, *arguments: str | Path) -> Any:
    """Return what a command answers in JSON; of vectors it has nothing to say."""
    done = run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert b"vectors" not in done.stderr
    return json.loads(done.stdout)


def found(run: Run, query: Path, store: str | Path, *more: str) -> list[tuple[str, float]]:
    """Return paths of all hits in their order, and their scores."""
    [each] = answer(run, "search", query, "-k", "50", "--store", str(store), *more)
    return [(hit["path"], round(hit["score"], 4)) for hit in each["results"]]


def line(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the one line that a command says of why it ended."""
    assert done.returncode in (1, 2)
    [said] = done.stderr.decode().splitlines()
    return said


def test_a_store_remembers_where_its_vectors_are(
    quick: Run, store: Path, vectors: Path, images: Path, tmp_path: Path
) -> None:
    beside = tmp_path / "beside"
    assert quick("index", images, "--label", "parent", "--store", beside).returncode == 0
    query = sorted((images / "bed").iterdir())[0]
    for more in ([], ["--rank", "plain"], ["--where", "label=lamp"], ["--min-score", "0.3"]):
        assert found(quick, query, store, *more) == found(quick, query, beside, *more)
    status = answer(quick, "status", "--store", store)
    assert status["vectors"] == str(vectors)
    assert (status["index"], status["index_state"]) == ("Milvus Lite FLAT float32", "current")
    assert answer(quick, "status", "--store", beside)["vectors"] == "faiss"
    groups = [answer(quick, "duplicates", "--store", each) for each in (store, beside)]
    assert groups[0] == groups[1]

    # Gone from the disk, and forgotten: neither is found again.
    query.unlink()
    other = sorted((images / "lamp").iterdir())[0]
    for each in (store, beside):
        assert quick("index", images, "--store", each).returncode == 0
        assert quick("remove", other, "--store", each).returncode == 0
    asked = sorted((images / "chair").iterdir())[0]
    hits = found(quick, asked, store)
    assert hits == found(quick, asked, beside)
    assert len(hits) == 10
    assert not {str(query), str(other)} & {path for path, _ in hits}

    # Back to FAISS, and nothing is left there.
    other.unlink()
    assert quick("index", images, "--store", store, "--vectors", "faiss").returncode == 0
    assert answer(quick, "status", "--store", store)["vectors"] == "faiss"
    assert {*found(quick, asked, store)} == {*hits}
    assert not list((vectors / "collections").iterdir())


def test_a_server_is_asked_by_many_and_no_password_is_kept(
    engine: Run, quick: Run, ready: Path, images: Path, tmp_path: Path
) -> None:
    store, query = tmp_path / "store", sorted((images / "bed").iterdir())[0]
    with running_milvus(tmp_path / "server") as host:
        named = f"milvus://ann:secret-word@{host}"
        done = quick("index", images, "--store", store, "--vectors", named)
        assert done.returncode == 0
        assert answer(quick, "status", "--store", store)["vectors"] == f"milvus://ann@{host}"
        hits = found(quick, query, store)
        assert len(hits) == 12
        assert found(engine, query, store) == hits
    for path in store.rglob("*"):
        assert path.is_dir() or b"secret-word" not in path.read_bytes()
    # The server is gone: what needs no vectors works, and nothing is lost.
    assert f"milvus://ann@{host}: it cannot be reached" in line(
        quick("search", query, "--store", store)
    )
    assert answer(quick, "classify", query, "--store", store)
    done = quick("status", "--store", store, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["index_state"] == "out of reach"
    query.unlink()
    done = quick("index", images, "--store", store)
    assert done.returncode == 0
    assert b"not brought in step; the next search does that: milvus://ann@" in done.stderr
    assert quick("index", images, "--store", store, "--vectors", "faiss").returncode == 0
    assert len(found(quick, sorted((images / "bed").iterdir())[0], store)) == 11


def test_machines_share_a_database_and_a_server(
    engine: Run, new_schema: Callable[[], str], ready: Path, images: Path, tmp_path: Path
) -> None:
    store = name_of(make_url(new_schema()))
    query, gone = sorted((images / "bed").iterdir())[:2]

    def at(name: str) -> Run:
        def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
            return engine(*arguments, env={"ENGINE_DATA": str(tmp_path / name)}, cwd=tmp_path)

        return run

    with running_milvus(tmp_path / "server") as host:
        done = at("one")("index", images, "--store", store, "--vectors", f"milvus://{host}")
        assert (done.returncode, done.stderr) == (0, b"")
        hits = found(at("one"), query, store)
        assert len(hits) == 12
        # The other finds the neighbours of all images for itself, with its first search.
        assert found(at("other"), query, store) == hits
        assert list((tmp_path / "other").rglob("graph-*"))
        assert at("other")("remove", gone, "--store", store).returncode == 0
        left = found(at("one"), query, store)
        assert {*left} == {hit for hit in hits if hit[0] != str(gone)}


def test_a_killed_index_is_gone_on_with_by_the_next_search(
    engine: Run, quick: Run, store: Path, images: Path
) -> None:
    gone, asked = sorted((images / "bed").iterdir())[:2]
    before = found(quick, asked, store)
    gone.unlink()
    done = engine("index", images, "--store", store, first=KILLED)
    assert done.returncode == -signal.SIGKILL
    after = found(quick, asked, store)
    assert {*after} == {hit for hit in before if hit[0] != str(gone)}
    assert answer(quick, "status", "--store", store)["index_state"] == "current"


@pytest.fixture
def holder(store: Path, vectors: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has the file open."""
    command = [sys.executable, "-c", HOLDER, str(vectors)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield process
        process.kill()


def test_who_has_the_file_open_is_told_and_nothing_is_lost(
    quick: Run, store: Path, images: Path, holder: subprocess.Popen[bytes]
) -> None:
    query = sorted((images / "bed").iterdir())[0]
    said = line(quick("search", query, "--store", store))
    assert f"another process has it open (process {holder.pid} on " in said
    assert answer(quick, "classify", query, "--store", store)
    holder.communicate()
    assert len(found(quick, query, store)) == 12


@pytest.mark.parametrize(
    ("vectors", "code", "said"),
    [
        ("here", 2, "this is no address for vectors"),
        ("redis://host", 2, "no vectors are kept there"),
        ("milvus://ann:secret-word@", 2, "it names no host"),
        ("milvus://127.0.0.1:1", 1, "it cannot be reached"),
        ("mine.db", 1, "this is no file of Milvus Lite"),
    ],
)
def test_where_vectors_cannot_be_kept_nothing_is_made(
    engine: Run, images: Path, tmp_path: Path, vectors: str, code: int, said: str
) -> None:
    (tmp_path / "mine.db").write_text("mine")
    store = tmp_path / "store"
    done = engine("index", images, "--store", store, "--vectors", vectors, cwd=tmp_path)
    assert done.returncode == code
    assert said in line(done)
    assert "secret-word" not in done.stderr.decode()
    assert not store.exists()
    assert (tmp_path / "mine.db").read_text() == "mine"


def test_a_moved_store_finds_its_vectors_again(
    quick: Run, store: Path, images: Path, tmp_path: Path
) -> None:
    query = sorted((images / "bed").iterdir())[0]
    before = found(quick, query, store)
    elsewhere = store.rename(tmp_path / "elsewhere")
    with Catalog.open(elsewhere / "catalog.sqlite") as catalog:
        assert catalog.vectors().kind == "lite"
    assert found(quick, query, elsewhere) == before
