"""Files that are moved: never over another, and at no moment nowhere."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from index.files.move_file import (
    ChangedError,
    FileContent,
    discard_part,
    move_file,
    part_name,
    state_with,
)

MTIME_NS = 1_600_000_000_123_456_789
Move = Callable[[Path, Path], None]


def put(path: Path, data: bytes = b"picture") -> Path:
    path.write_bytes(data)
    os.utime(path, ns=(MTIME_NS, MTIME_NS))
    return path


def content(data: bytes = b"picture") -> FileContent:
    return FileContent(len(data), hashlib.sha256(data).hexdigest(), MTIME_NS)


def without_links(source: str, target: str) -> None:
    """Answer as a file system does that has no hard links."""
    raise OSError(errno.EPERM, os.strerror(errno.EPERM), source)


def another_device(source: str, target: str) -> None:
    """Link as if every folder were a file system of its own."""
    if Path(source).parent != Path(target).parent:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source)
    os.link(source, target)


def another_without_links(source: str, target: str) -> None:
    """Answer as between file systems that have no hard links."""
    if Path(source).parent != Path(target).parent:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source)
    without_links(source, target)


KINDS = {
    "by link": os.link,
    "without links": without_links,
    "to another device": another_device,
    "to another device without links": another_without_links,
}


@pytest.fixture(params=KINDS)
def move(request: pytest.FixtureRequest) -> Move:
    """Move a file that holds `picture`, by each of the means there are."""

    def run(source: Path, target: Path) -> None:
        state = state_with(str(source), content())
        assert state is not None
        move_file(str(source), str(target), state, content(), link=KINDS[request.param])

    return run


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    return tmp_path / "one", tmp_path / "two"


def test_a_moved_file_is_what_it_was(move: Move, folders: tuple[Path, Path]) -> None:
    source, target = folders[0] / "a", folders[1] / "b"
    put(source).chmod(0o640)
    move(source, target)
    assert target.read_bytes() == b"picture"
    assert (target.stat().st_mtime_ns, target.stat().st_mode & 0o777) == (MTIME_NS, 0o640)
    assert os.listdir(folders[0]) == []
    assert os.listdir(folders[1]) == ["b"]


@pytest.mark.parametrize("there", ["file", "empty file", "folder", "link", "broken link"])
def test_nothing_is_written_over(move: Move, folders: tuple[Path, Path], there: str) -> None:
    source, target = put(folders[0] / "a"), folders[1] / "b"
    if there == "folder":
        target.mkdir()
    elif "link" in there:
        target.symlink_to(source if there == "link" else folders[1] / "nothing")
    else:
        target.write_bytes(b"" if "empty" in there else b"another")
    before = os.lstat(target)
    with pytest.raises(FileExistsError):
        move(source, target)
    assert source.read_bytes() == b"picture"
    assert os.path.samestat(os.lstat(target), before)
    assert os.listdir(folders[1]) == ["b"]


def test_a_file_that_was_exchanged_stays(folders: tuple[Path, Path]) -> None:
    source, target = put(folders[0] / "a"), folders[1] / "b"
    state = state_with(str(source), content())
    assert state is not None
    source.rename(folders[0] / "old")
    put(source, b"another")
    with pytest.raises(ChangedError):
        move_file(str(source), str(target), state, content())
    assert source.read_bytes() == b"another"
    assert not target.exists()


@pytest.mark.parametrize("link", [os.link, another_device], ids=["link", "copy"])
def test_a_file_that_changes_meanwhile_stays(
    folders: tuple[Path, Path], link: Callable[[str, str], None]
) -> None:
    source, target = put(folders[0] / "a"), folders[1] / "b"
    state = state_with(str(source), content())
    assert state is not None

    def changing(one: str, other: str) -> None:
        link(one, other)
        source.write_bytes(b"changed")

    with pytest.raises(ChangedError):
        move_file(str(source), str(target), state, content(), link=changing)
    assert source.read_bytes() == b"changed"
    assert os.listdir(folders[1]) == []


def test_a_copy_that_is_not_the_same_is_discarded(folders: tuple[Path, Path]) -> None:
    source, target = put(folders[0] / "a"), folders[1] / "b"
    state = os.lstat(source)
    with pytest.raises(ChangedError):
        move_file(str(source), str(target), state, content(b"figures"), link=another_device)
    assert source.read_bytes() == b"picture"
    assert os.listdir(folders[1]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_not_leave_its_folder_stays(
    kind: str, open_folder: Path, as_nobody: Callable[[], Iterator[None]]
) -> None:
    source, target = put(open_folder / "a"), open_folder / "two" / "b"
    target.parent.mkdir()
    target.parent.chmod(0o777)
    state = os.lstat(source)
    with as_nobody(), pytest.raises(OSError):  # type: ignore[attr-defined]
        move_file(str(source), str(target), state, content(), link=KINDS[kind])
    assert source.read_bytes() == b"picture"
    assert os.listdir(target.parent) == []


@pytest.mark.parametrize(
    "name", ["\n", "\U0001f6cb", os.fsdecode(b"\xff\xfe"), "x" * 255, "a" * 200]
)
def test_names_of_any_bytes_are_moved(move: Move, folders: tuple[Path, Path], name: str) -> None:
    move(put(folders[0] / name), folders[1] / name)
    assert os.listdir(folders[1]) == [name]


def test_between_real_file_systems_a_file_is_moved(tmp_path: Path, other_file_system: Path) -> None:
    source, target = put(tmp_path / "a"), other_file_system / "b"
    state = state_with(str(source), content())
    assert state is not None
    move_file(str(source), str(target), state, content())
    assert (target.read_bytes(), target.stat().st_mtime_ns) == (b"picture", MTIME_NS)
    assert not source.exists()


def test_what_a_kill_left_of_a_copy_is_discarded(tmp_path: Path) -> None:
    put(Path(part_name(str(tmp_path / "a"))))
    discard_part(str(tmp_path / "b"))
    assert len(os.listdir(tmp_path)) == 1
    discard_part(str(tmp_path / "a"))
    discard_part(str(tmp_path / "a"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("data", [b"Picture", b"picture of another size", b""])
def test_a_file_that_holds_something_else_has_no_state(tmp_path: Path, data: bytes) -> None:
    assert state_with(str(put(tmp_path / "a", data)), content()) is None


def test_what_is_no_ordinary_file_is_not_opened(tmp_path: Path) -> None:
    put(tmp_path / "a")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "."):
        with pytest.raises(OSError):
            state_with(str(tmp_path / name), content())
