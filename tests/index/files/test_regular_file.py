"""Files are opened as what they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from index.errors import StoreError
from index.files.atomic_file import temporary_name, write_atomically
from index.files.regular_file import open_regular, require_folder, require_regular


def test_an_ordinary_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with open_regular(tmp_path / "file") as file:
        assert file.read() == b"content"


def test_what_is_no_ordinary_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "folder", "pipe", "missing"):
        with pytest.raises(OSError):
            open_regular(tmp_path / name)


def test_no_descriptor_is_left_of_what_was_not_opened(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(20):
        with pytest.raises(OSError):
            open_regular(tmp_path)
    assert not before or len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_under_either_name_of_an_atomic_file_is_replaced(
    tmp_path: Path, dangling: bool
) -> None:
    target = tmp_path / "target"
    if not dangling:
        target.write_bytes(b"precious")
    for name in (tmp_path / "file", temporary_name(tmp_path / "file")):
        name.unlink(missing_ok=True)
        name.symlink_to(target)
        write_atomically(tmp_path / "file", b"new")
        assert (tmp_path / "file").read_bytes() == b"new"
        assert not (tmp_path / "file").is_symlink()
        assert target.exists() != dangling
    assert dangling or target.read_bytes() == b"precious"


def test_a_pipe_under_the_temporary_name_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(temporary_name(tmp_path / "file"))
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_files_and_folders_of_a_store_are_insisted_on(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    require_regular(tmp_path / "file", tmp_path / "missing")
    require_folder(tmp_path)
    require_folder(tmp_path / "missing")
    for path, what in ((tmp_path / "link", "a link"), (tmp_path, "a folder")):
        with pytest.raises(StoreError, match=what):
            require_regular(path)
    for path, what in ((tmp_path / "link", "a link"), (tmp_path / "file", "a file")):
        with pytest.raises(StoreError, match=what):
            require_folder(path)
