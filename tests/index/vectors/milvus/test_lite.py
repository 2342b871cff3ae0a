"""A file of Milvus Lite is opened by one process, and nothing else is taken for one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.errors import VectorStoreError
from index.vector_address import VectorAddress
from index.vectors.milvus.connection import Connection
from index.vectors.milvus.lite import LiteFile
from tests.support import REPOSITORY

pytestmark = pytest.mark.slow

HOLDER = """
import sys
from index.vectors.milvus.lite import LiteFile
file = LiteFile(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
file.close()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has a file open."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "vectors.db")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=REPOSITORY, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == b"open\n"
        yield process
        process.kill()


def test_another_process_is_named_and_waited_for(
    holder: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    path = str(tmp_path / "vectors.db")
    with pytest.raises(VectorStoreError) as caught:
        LiteFile(path, wait_seconds=0)
    said = str(caught.value)
    assert f"another process has it open (process {holder.pid} on " in said
    assert "--vectors milvus://HOST" in said
    holder.communicate()
    LiteFile(path, wait_seconds=60).close()


def test_what_a_killed_process_had_open_is_free(
    holder: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    holder.kill()
    holder.wait()
    LiteFile(str(tmp_path / "vectors.db"), wait_seconds=0).close()


def test_one_process_opens_it_once_for_all_who_ask(tmp_path: Path) -> None:
    address = VectorAddress.parse(str(tmp_path / "vectors.db"))
    one, other = Connection(address), Connection(address)
    with one.client() as first, other.client() as second:
        assert first is second
    one.close()
    with other.client() as client:
        assert client.list_collections() == []
    del other
    LiteFile(address.uri, wait_seconds=0).close()


def test_a_file_or_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    file, folder, link = (tmp_path / name for name in ("a.db", "b.db", "c.db"))
    file.write_text("mine")
    folder.mkdir()
    (folder / "letter").write_text("mine, too")
    link.symlink_to(folder)
    for path in (file, folder, link):
        with pytest.raises(VectorStoreError, match="Nothing was changed"):
            LiteFile(str(path))
    assert file.read_text() == "mine"
    assert [path.name for path in folder.iterdir()] == ["letter"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VectorStoreError, match="it cannot be made"):
        LiteFile(str(tmp_path / "file" / "vectors.db"))
