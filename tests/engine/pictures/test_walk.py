"""Finding picture files: what is taken, what is left out, and what is said about the rest."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import EngineError, UsageError
from engine.pictures.formats import EXTENSIONS
from engine.pictures.walk import find_images, require_one

AsNobody = Callable[[], AbstractContextManager[None]]


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"picture")
    return path


def names(*roots: Path) -> list[str]:
    found = find_images([str(root) for root in roots])
    return [os.path.relpath(file.path, roots[0]) for file in found.files]


def test_images_of_every_known_ending_are_found(tmp_path: Path) -> None:
    wanted = sorted(touch(tmp_path / f"{ending}.{ending}").name for ending in EXTENSIONS)
    assert names(tmp_path) == wanted


@pytest.mark.parametrize("raw", ["A.CR2", "a.dng", "A.nef"])
def test_a_raw_file_gives_way_to_a_jpeg_of_its_name(tmp_path: Path, raw: str) -> None:
    touch(tmp_path / raw)
    touch(tmp_path / "a.JPG")
    assert names(tmp_path) == ["a.JPG"]
    assert find_images([str(tmp_path)]).twins == 1
    touch(tmp_path / "elsewhere" / raw)
    assert names(tmp_path) == ["a.JPG", f"elsewhere/{raw}"]


def test_a_raw_file_named_by_hand_is_taken_beside_a_jpeg(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg")
    raw = touch(tmp_path / "a.dng")
    assert names(tmp_path, raw) == ["a.dng", "a.jpg"]


def test_the_case_of_an_ending_does_not_matter(tmp_path: Path) -> None:
    touch(tmp_path / "A.JPG")
    assert names(tmp_path) == ["A.JPG"]


def test_files_with_other_endings_are_left_out_without_a_word(tmp_path: Path) -> None:
    touch(tmp_path / "notes.txt")
    touch(tmp_path / "jpg")
    found = find_images([str(tmp_path)])
    assert (found.files, found.skipped) == ([], [])


@pytest.mark.parametrize(
    "place", [".hidden.jpg", "._a.jpg", ".git/a.jpg", "__MACOSX/a.jpg", "@eaDir/a.jpg"]
)
def test_hidden_things_and_junk_of_systems_are_left_out(tmp_path: Path, place: str) -> None:
    touch(tmp_path / place)
    found = find_images([str(tmp_path)])
    assert (found.files, found.skipped, found.unseen) == ([], [], [])


def test_a_hidden_folder_named_by_hand_is_walked(tmp_path: Path) -> None:
    touch(tmp_path / ".hidden" / "a.jpg")
    assert names(tmp_path / ".hidden") == ["a.jpg"]


def test_nested_folders_are_walked_and_the_files_sorted(tmp_path: Path) -> None:
    for place in ("b/2.jpg", "b/10.jpg", "a/z/deep/1.png", "c.jpg"):
        touch(tmp_path / place)
    assert names(tmp_path) == ["a/z/deep/1.png", "b/10.jpg", "b/2.jpg", "c.jpg"]


def test_size_and_time_are_those_of_the_file(tmp_path: Path) -> None:
    path = touch(tmp_path / "a.jpg")
    os.utime(path, ns=(1, 1_234_567_890_123_456_789))
    (file,) = find_images([str(tmp_path)]).files
    assert (file.size, file.mtime_ns) == (7, path.stat().st_mtime_ns)


@settings(deadline=None, max_examples=60)
@given(st.binary(min_size=1, max_size=120))
def test_names_of_any_bytes_are_found_as_they_are(raw: bytes) -> None:
    name = raw.replace(b"/", b"-").replace(b"\0", b"-").lstrip(b".") + b"x.jpg"
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(os.fsencode(folder), name)
        try:
            with open(path, "wb"):
                pass
        except OSError:  # a file system that insists on Unicode
            return
        found = find_images([folder])
        assert [os.fsencode(file.path) for file in found.files] == [path]


@pytest.mark.parametrize("name", ["a b.jpg", " .jpg", "new\nline.jpg", "Stühle 🪑.jpg", "'\".jpg"])
def test_odd_names_are_found_as_they_are(tmp_path: Path, name: str) -> None:
    touch(tmp_path / name)
    assert names(tmp_path) == [name]


def test_a_folder_named_like_an_image_is_skipped_with_advice(tmp_path: Path) -> None:
    folder = tmp_path / "x.jpg"
    touch(folder / "inside.png")
    (skip,) = find_images([str(tmp_path)]).skipped
    assert skip.path == str(folder)
    assert "folder" in skip.reason
    assert skip.hint == "Rename it"


def test_images_inside_a_folder_named_like_an_image_are_found(tmp_path: Path) -> None:
    touch(tmp_path / "x.jpg" / "inside.png")
    assert names(tmp_path) == ["x.jpg/inside.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_skipped_and_not_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)  # to open it would block for ever
    found = find_images([str(tmp_path)])
    assert found.files == []
    assert [skip.path for skip in found.skipped] == [str(pipe)]
    assert "not an ordinary file" in found.skipped[0].reason


def test_a_root_that_is_missing_is_unseen_and_no_root(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    found = find_images([missing])
    assert (found.roots, found.unseen) == ([], [missing])
    assert "nothing at this path" in found.skipped[0].reason
    assert "mounted" in found.skipped[0].hint


def test_an_empty_folder_is_a_root_with_nothing_in_it(tmp_path: Path) -> None:
    found = find_images([str(tmp_path)])
    assert (found.roots, found.files, found.unseen) == ([str(tmp_path)], [], [])


def test_a_folder_that_may_not_be_read_is_unseen(open_folder: Path, as_nobody: AsNobody) -> None:
    touch(open_folder / "open" / "1.jpg")
    locked = touch(open_folder / "locked" / "2.jpg").parent
    locked.chmod(0)
    try:
        with as_nobody():
            found = find_images([str(open_folder)])
    finally:
        locked.chmod(0o755)
    assert [os.path.basename(file.path) for file in found.files] == ["1.jpg"]
    assert found.unseen == [str(locked)]
    assert found.skipped[0].reason == "permission denied"
    assert "chmod" in found.skipped[0].hint


def test_files_in_a_folder_that_may_not_be_entered_are_unseen(
    open_folder: Path, as_nobody: AsNobody
) -> None:
    path = touch(open_folder / "listed" / "2.jpg")
    path.parent.chmod(0o644)
    try:
        with as_nobody():
            found = find_images([str(open_folder)])
    finally:
        path.parent.chmod(0o755)
    assert found.files == []
    assert found.unseen == [str(path)]


@pytest.mark.parametrize("name", [".hidden.jpg", "scan", "notes.txt"])
def test_a_file_named_by_hand_is_always_taken(tmp_path: Path, name: str) -> None:
    path = touch(tmp_path / name)
    assert [file.path for file in find_images([str(path)]).files] == [str(path)]


def test_overlapping_roots_give_each_file_once(tmp_path: Path) -> None:
    path = touch(tmp_path / "a" / "1.jpg")
    assert names(tmp_path, path, tmp_path / "a", tmp_path) == ["a/1.jpg"]


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a" / "1.jpg")
    monkeypatch.chdir(tmp_path / "a")
    assert [file.path for file in find_images(["."]).files] == [str(tmp_path / "a" / "1.jpg")]


def test_one_path_that_exists_is_enough(tmp_path: Path) -> None:
    require_one([str(tmp_path / "missing"), str(tmp_path)])
    with pytest.raises(EngineError, match="nothing at this path"):
        require_one([str(tmp_path / "missing")])


def test_no_path_at_all_is_a_wrong_request() -> None:
    with pytest.raises(UsageError, match="no folder was named"):
        require_one([])
