"""Files that are there whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from index.files.atomic_file import atomic_file, publish, write_atomically
from tests.support import REPOSITORY

KILLED = """
import os, signal, sys
from pathlib import Path
from index.files.atomic_file import atomic_file
with atomic_file(Path(sys.argv[1])) as file:
    file.write(b"half of what")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_content_is_there_afterwards(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_what_was_there_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old and longer")
    write_atomically(tmp_path / "a", memoryview(b"new"))
    assert (tmp_path / "a").read_bytes() == b"new"


def test_no_other_file_is_left(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_error_leaves_the_old_content_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a") as file:
        file.write(b"half of")
        raise RuntimeError
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_killed_process_leaves_the_old_content_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    command = [sys.executable, "-c", KILLED, str(tmp_path / "a")]
    assert subprocess.run(command, cwd=REPOSITORY, check=False).returncode == -9
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_complete_file_takes_the_place_of_another(tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(b"fetched")
    (tmp_path / "a").write_bytes(b"old")
    publish(tmp_path / "a.part", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"fetched"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_that_is_not_there_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        publish(tmp_path / "a.part", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old"
