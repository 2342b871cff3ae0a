"""A PostgreSQL database as the store: the same commands, from any machine that reaches it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, make_url

from index.catalog.catalog import Catalog
from index.catalog.sql.urls import database_url, name_of
from tests.support import REPOSITORY
from tests.support.command import Run

Ask = Callable[..., Any]


@pytest.fixture
def store(new_schema: Callable[[], str]) -> str:
    """An empty schema, as a person names it."""
    return name_of(make_url(new_schema()))


Machines = Callable[[str], Run]


@pytest.fixture
def processes(engine: Run, ready: Path, tmp_path: Path) -> Machines:
    """Return a function that runs commands as another machine does: with data of its own."""

    def named(name: str) -> Run:
        def run(*arguments: str | bytes | Path, **settings: Any) -> Any:
            env = {"ENGINE_DATA": str(tmp_path / name)} | settings.pop("env", {})
            return engine(*arguments, env=env, cwd=tmp_path, **settings)

        return run

    return named


@pytest.fixture
def machine(quick: Run, ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """The same in this process: that nothing is told by memory, the test of every verb shows."""
    monkeypatch.chdir(tmp_path)

    def named(name: str) -> Run:
        def run(*arguments: str | Path, env: dict[str, str] | None = None) -> Any:
            with pytest.MonkeyPatch.context() as patch:
                for key, value in ({"ENGINE_DATA": str(tmp_path / name)} | (env or {})).items():
                    patch.setenv(key, value)
                return quick(*arguments)

        return run

    return named


def asking(machines: Machines, store: str) -> Ask:
    """Return what asks commands about the store for JSON, on this machine or another."""

    def answer(*arguments: str | Path, at: str = "here") -> Any:
        done = machines(at)(*arguments, "--store", store, "--json")
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    return answer


@pytest.fixture
def ask(machine: Machines, store: str) -> Ask:
    """Return what a command answers about the store in JSON, on this machine or another."""
    return asking(machine, store)


def test_every_verb_works_from_any_machine(
    processes: Machines, store: str, images: Path, tmp_path: Path
) -> None:
    ask = asking(processes, store)
    query = sorted((images / "bed").iterdir())[0]
    assert ask("index", images, "--label", "parent")["images"] == 12
    [found] = ask("search", query, "-k", "3")
    assert found["results"][0]["path"] == str(query)
    [again] = ask("search", query, "-k", "3", at="elsewhere")
    assert again["results"] == found["results"]

    assert ask("train", images, "--head", "shop", "--fast", at="elsewhere")["head"] == "shop"
    assert [head["name"] for head in ask("heads", "list")] == ["shop"]
    [found] = ask("search", query, "--where", "category=bed")
    assert found["results"]
    assert processes("here")("classify", query, "--store", store).returncode == 0

    status = ask("status")
    assert (status["store"], status["images"], status["consistent"]) == (store, 12, True)
    assert status["catalog_bytes"] > 12 * 2560

    other = processes("elsewhere")
    assert other("remove", images / "bed", "--store", store).returncode == 0
    [found] = ask("search", query)
    left = {Path(hit["path"]).parent.name for hit in found["results"]}
    assert left == {"chair", "lamp"}
    assert other("export", tmp_path / "all.npy", "--store", store).returncode == 0
    assert other("compact", "--store", store).returncode == 0
    assert ask("status")["consistent"]
    # Nothing has become a folder of such a name, and nothing lies in the current one.
    assert not (tmp_path / "postgresql:").exists()
    assert not (tmp_path / ".engine").exists()


def manifests(machine: Path) -> list[Path]:
    return sorted(machine.rglob("manifest.json"))


def test_a_machine_that_only_searches_saves_its_index(
    ask: Ask, images: Path, tmp_path: Path
) -> None:
    query = sorted((images / "bed").iterdir())[0]
    ask("index", images)
    elsewhere = tmp_path / "elsewhere"
    [first] = ask("search", query, at="elsewhere")
    [saved] = manifests(elsewhere)
    before = saved.read_bytes()
    [again] = ask("search", query, at="elsewhere")
    assert again["results"] == first["results"]
    assert manifests(elsewhere) == [saved]
    assert saved.read_bytes() == before
    assert list(elsewhere.rglob("graph-*"))


def test_a_writer_elsewhere_keeps_no_machine_from_saving_its_index(
    ask: Ask, store: str, images: Path, tmp_path: Path
) -> None:
    query = sorted((images / "bed").iterdir())[0]
    ask("index", images)
    with Catalog.open(store) as catalog, catalog.database.writer_lock():
        ask("search", query, at="elsewhere")
    assert manifests(tmp_path / "elsewhere")


def test_who_is_writing_is_told_without_the_password(
    ask: Ask, machine: Machines, store: str, images: Path
) -> None:
    ask("index", images)
    url = make_url(store).set(password="secret").render_as_string(hide_password=False)
    program = (
        "import sys; from index.catalog.catalog import Catalog\n"
        "with Catalog.open(sys.argv[-1]) as catalog, catalog.database.writer_lock():\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, "--store", url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdin is not None
        assert writer.stdout.readline() == b"held\n"
        told = ask("status")["writer"]
        refused = machine("here")("remove", images, "--store", store)
        writer.stdin.close()
    assert f"process {writer.pid}" in told
    assert b"another process is writing" in refused.stderr
    assert "secret" not in told
    assert b"secret" not in refused.stderr


@pytest.mark.parametrize("table", ["settings", "categories"])
def test_tables_of_another_program_are_left_alone(
    machine: Machines, store: str, images: Path, table: str
) -> None:
    reached = create_engine(database_url(store))
    with reached.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {table} (theirs text)")
    done = machine("here")("index", images, "--store", store)
    assert done.returncode == 1
    assert b"another program" in done.stderr
    assert b"csearch_path" in done.stderr
    assert inspect(reached).get_table_names() == [table]
    reached.dispose()


def test_names_are_what_they_are_in_any_encoding_of_the_client(
    ask: Ask, machine: Machines, store: str, images: Path
) -> None:
    (images / "bed").rename(images / "b\u00fccher \u65e5")
    env = {"PGCLIENTENCODING": "LATIN1"}
    assert machine("here")("index", images, "--store", store, env=env).returncode == 0
    [query] = sorted((images / "b\u00fccher \u65e5").iterdir())[:1]
    [found] = ask("search", query)
    assert found["results"][0]["path"] == str(query)


def test_the_variable_names_it_too(machine: Machines, store: str, images: Path) -> None:
    here, env = machine("here"), {"ENGINE_STORE": store}
    assert here("index", images, env=env).returncode == 0
    assert json.loads(here("status", "--json", env=env).stdout)["store"] == store


def test_moved_duplicates_are_put_back_by_the_command_that_is_told(
    ask: Ask, machine: Machines, images: Path, tmp_path: Path
) -> None:
    one = sorted((images / "bed").iterdir())[0]
    copy = Path(shutil.copy(one, images / "bed" / "copy.jpg"))
    ask("index", images)
    moved = ask("duplicates", "--move-to", tmp_path / "aside")
    assert len(moved["moved"]) == 1
    assert one.exists() != copy.exists()
    undone = machine("elsewhere")(*_words(moved["undo"]))
    assert undone.returncode == 0, undone.stderr.decode()
    assert one.exists()
    assert copy.exists()


def _words(command: str) -> list[str]:
    import shlex

    words = shlex.split(command)
    assert words[0] == "engine"
    return words[1:]


def test_an_empty_database_is_no_catalog_and_stays_empty(
    machine: Machines, store: str, images: Path
) -> None:
    query = sorted((images / "bed").iterdir())[0]
    for command in (("search", query), ("status",), ("heads", "list")):
        done = machine("here")(*command, "--store", store)
        assert done.returncode == 1
        assert b"the catalog is empty" in done.stderr
        assert b"engine index FOLDER" in done.stderr
    reached = create_engine(database_url(store))
    assert inspect(reached).get_table_names() == []
    reached.dispose()


def test_another_backbone_is_refused_by_name(machine: Machines, store: str, images: Path) -> None:
    here = machine("here")
    assert here("index", images, "--store", store).returncode == 0
    done = here("index", images, "--store", store, "--backbone", "resnet50")
    assert done.returncode == 1
    assert store.encode() in done.stderr
    assert b"--backbone" in done.stderr


def test_what_cannot_be_reached_is_one_line_without_the_password(
    machine: Machines, store: str, images: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    missing = make_url(store).set(database="no_such_database", password="secret")
    urls = [
        f"postgresql://me:secret@127.0.0.1:{port}/shop",
        f"postgresql://me:secret@/shop?host={tmp_path}",
        missing.render_as_string(hide_password=False),
        "postgresql://me:secret@host:port/shop",
        "mysql://me:secret@host/shop",
    ]
    for url in urls:
        for command in (("status",), ("index", images)):
            done = machine("here")(*command, "--store", url)
            assert done.returncode in (1, 2), url
            assert b"secret" not in done.stderr
            assert b"Traceback" not in done.stderr
            assert done.stderr.count(b"\n") <= 3, done.stderr.decode()
