"""Exit codes: 0 all well, 1 error, 2 used wrongly, 3 something skipped, 130 interrupted."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import typer

from cli.main import exit_code
from engine import Engine, __version__
from engine.errors import EngineError, UsageError

pytestmark = pytest.mark.slow

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def store(fake_engine: Engine, images: Path) -> Path:
    """A store with twelve pictures, made with the fake backbone."""
    fake_engine.index([images], label="parent")
    return fake_engine.config.store.folder


@pytest.fixture
def failing(capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Any]:
    """Run an application with one command, `status`, which raises an exception."""

    def run(error: BaseException) -> subprocess.CompletedProcess[bytes]:
        application = typer.Typer()

        @application.callback()
        def main() -> None:
            """Take options of no command."""

        @application.command("status")
        def fail() -> NoReturn:
            raise error

        code = exit_code(["status"], application)
        stdout, stderr = capfdbinary.readouterr()
        return subprocess.CompletedProcess(["status"], code, stdout, stderr)

    return run


def test_0_where_all_is_well(quick: Run, store: Path) -> None:
    assert quick("status", "--store", store).returncode == 0


def test_0_for_the_version(quick: Run) -> None:
    done = quick("--version")
    assert (done.returncode, done.stdout) == (0, f"engine {__version__}\n".encode())


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["search", "--help"], ["heads", "-h"]])
def test_0_for_help_on_stdout(quick: Run, arguments: list[str]) -> None:
    done = quick(*arguments)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Usage" in done.stdout


def test_1_for_an_error_with_one_line(failing: Callable[..., Any]) -> None:
    done = failing(EngineError("thing", "reason", "Remedy"))
    assert (done.returncode, done.stderr) == (1, b"error: thing: reason. Remedy\n")


def test_1_for_what_should_not_happen_with_one_line(failing: Callable[..., Any]) -> None:
    done = failing(RuntimeError("first\nsecond"))
    assert done.returncode == 1
    [line] = done.stderr.decode().splitlines()
    assert line.startswith("error: RuntimeError: first. This should not happen")


def test_a_traceback_is_shown_only_to_who_asks(
    failing: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_DEBUG", "1")
    assert b"Traceback" in failing(RuntimeError("first")).stderr


def test_1_where_the_store_is_not_in_order(quick: Run, store: Path) -> None:
    import sqlite3

    with sqlite3.connect(store / "catalog.sqlite") as database:
        database.execute("DELETE FROM embeddings WHERE image_id = 1")
    database.close()
    done = quick("status", "--store", store, "--json")
    assert done.returncode == 1
    assert b"problem: 1 images have no embedding\n" in done.stderr


def test_2_for_a_wrong_request(failing: Callable[..., Any]) -> None:
    assert failing(UsageError("thing", "reason", "Remedy")).returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [[], ["nonsense"], ["search"], ["status", "--nonsense"], ["search", "a", "-k", "x"]],
)
def test_2_for_a_command_line_that_is_none(quick: Run, arguments: list[str]) -> None:
    assert quick(*arguments).returncode == 2


def test_3_where_something_was_skipped(quick: Run, store: Path, tmp_path: Path) -> None:
    done = quick("remove", tmp_path / "unknown", "--store", store)
    assert done.returncode == 3
    assert done.stderr.startswith(b"skipped ")


def test_130_for_an_interrupt(failing: Callable[..., Any]) -> None:
    done = failing(KeyboardInterrupt())
    said = b"interrupted; everything finished so far is kept\n"
    assert (done.returncode, done.stderr) == (130, said)


def test_a_reader_that_leaves_is_no_error(engine: Run, store: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = engine(
            "status",
            "--json",
            "--store",
            store,
            capture_output=False,
            stdout=writing,
            stderr=subprocess.PIPE,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
