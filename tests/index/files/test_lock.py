"""One writer at a time, and every other is told who it is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from index.catalog.catalog import Catalog
from index.errors import StoreError, StoreLockedError
from index.files.lock import current_writer, without_secrets, writer_lock, writer_note
from tests.support import REPOSITORY

HOLDER = """
import sys
from pathlib import Path
from index.files.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of `tmp_path`, until its stdin ends."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def _can_lock(folder: Path) -> bool:
    try:
        with writer_lock(folder):
            return True
    except StoreLockedError:
        return False


def test_the_lock_of_a_quiet_store_is_free(tmp_path: Path) -> None:
    assert _can_lock(tmp_path)
    assert _can_lock(tmp_path)


def test_a_second_writer_is_told_who_the_first_one_is(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(StoreLockedError) as caught, writer_lock(tmp_path):
        pass
    assert f"process {holder.pid} on " in caught.value.reason
    assert str(tmp_path) in caught.value.reason, "the holder's command line names the store"
    assert "Wait" in caught.value.remedy


def test_a_second_writer_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    with (
        writer_lock(tmp_path),
        pytest.raises(StoreLockedError, match=f"process {os.getpid()}"),
        writer_lock(tmp_path),
    ):
        pass


def test_being_refused_does_not_take_the_lock_from_its_holder(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    assert not _can_lock(tmp_path)
    with pytest.raises(StoreLockedError, match=f"process {holder.pid}"), writer_lock(tmp_path):
        pass


def test_the_lock_is_free_when_its_holder_ends(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    assert holder.stdin is not None
    holder.stdin.close()
    assert holder.wait() == 0
    assert _can_lock(tmp_path)
    assert not (tmp_path / "writer.json").exists()


def test_the_lock_is_free_when_its_holder_is_killed(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait()
    assert (tmp_path / "writer.json").exists(), "a killed process cannot tidy up"
    assert _can_lock(tmp_path)


def test_the_lock_is_free_when_its_block_raises(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writer_lock(tmp_path):
        raise ZeroDivisionError
    assert _can_lock(tmp_path)


@pytest.mark.parametrize("words", [b"", b"{", b"[]", b'{"pid": 1}', b"\xff\xfe"])
def test_a_holder_whose_words_make_no_sense_is_still_respected(
    tmp_path: Path, holder: subprocess.Popen[str], words: bytes
) -> None:
    (tmp_path / "writer.json").write_bytes(words)
    with pytest.raises(StoreLockedError, match="has not said who"), writer_lock(tmp_path):
        pass


def test_readers_need_no_lock(
    tmp_path: Path, catalog: Catalog, holder: subprocess.Popen[str]
) -> None:
    with Catalog.open(tmp_path / "catalog.sqlite") as reader:
        assert reader.counts().images == 0
    assert not _can_lock(tmp_path)


def test_a_read_only_store_cannot_be_locked(
    open_folder: Path, read_only: Callable[[], AbstractContextManager[None]]
) -> None:
    with (
        read_only(),
        pytest.raises(StoreError, match="cannot be written"),
        writer_lock(open_folder),
    ):
        pass


def test_a_reader_learns_who_is_writing_and_that_a_killed_writer_is_not(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    assert f"process {holder.pid} " in str(current_writer(tmp_path))
    holder.kill()
    holder.wait()
    assert (tmp_path / "writer.json").exists()
    assert current_writer(tmp_path) is None


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("postgresql://me:secret@host/shop", "postgresql://me:...@host/shop"),
        ("--store=postgresql://me:s@ecret@host/shop", "--store=postgresql://me:...@host/shop"),
        ("postgresql:/me:secret@host/shop", "postgresql:/me:...@host/shop"),
        ("postgresql://host/shop?password=secret&a=b", "postgresql://host/shop?password=...&a=b"),
        ("https://me:secret@host/chair.jpg", "https://me:...@host/chair.jpg"),
        ("postgresql://me@host:5432/shop", "postgresql://me@host:5432/shop"),
        ("./a folder: of mine@home", "./a folder: of mine@home"),
        ("C:/pictures/me:you@home", "C:/pictures/me:you@home"),
    ],
)
def test_a_note_tells_no_password(argument: str, told: str) -> None:
    assert without_secrets(argument) == told


def test_the_note_of_a_writer_tells_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["engine", "--store", "postgresql://me:secret@host/shop"])
    assert "secret" not in writer_note()
    assert "postgresql://me:...@host/shop" in writer_note()
