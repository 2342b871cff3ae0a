"""Which images are one file, which file stays, and which may go."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from engine.search.duplicates.files import Disk, ImageFile
from index.records import FileState, ImageFacts

LONG_AGO = 1_600_000_000
LATER_NS = 2 * LONG_AGO * 10**9


def put(path: Path, data: bytes = b"picture", age: int = 0) -> Path:
    """Write a file that was last changed some seconds before a moment long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (LONG_AGO, LONG_AGO - age))
    return path


def scanned(path: Path, side: int = 8, scanned_ns: int = 0) -> ImageFacts:
    """Return what the catalog would know of a file as it is now."""
    state = os.stat(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file = FileState(str(path), state.st_size, state.st_mtime_ns)
    return ImageFacts(file, scanned_ns, digest, side, side, "BMP", None)


def files(*facts: ImageFacts) -> list[ImageFile]:
    return Disk().files(dict(enumerate(facts)))


def names(found: list[ImageFile]) -> list[str]:
    return [os.path.basename(file.path) for file in found]


def test_a_link_and_its_target_are_one_file_under_the_targets_path(tmp_path: Path) -> None:
    target = put(tmp_path / "z.bmp")
    (tmp_path / "a.bmp").symlink_to(target)
    [file] = files(scanned(tmp_path / "a.bmp"), scanned(target))
    assert (file.id, file.path) == (1, str(target))


def test_a_path_below_a_linked_folder_is_another_name_of_a_file(tmp_path: Path) -> None:
    target = put(tmp_path / "z" / "1.bmp")
    (tmp_path / "a").symlink_to(tmp_path / "z")
    [file] = files(scanned(tmp_path / "a" / "1.bmp"), scanned(target))
    assert file.path == str(target)


def test_hard_links_are_one_file_under_the_first_path(tmp_path: Path) -> None:
    os.link(put(tmp_path / "b.bmp"), tmp_path / "a.bmp")
    [file] = files(scanned(tmp_path / "b.bmp"), scanned(tmp_path / "a.bmp"))
    assert names([file]) == ["a.bmp"]
    assert file.removable


def test_a_copy_is_a_file_of_its_own(tmp_path: Path) -> None:
    one, other = put(tmp_path / "a.bmp"), put(tmp_path / "b.bmp")
    found = files(scanned(one), scanned(other))
    assert names(found) == ["a.bmp", "b.bmp"]
    assert all(file.removable for file in found)


def test_a_file_that_a_link_leads_to_may_not_go(tmp_path: Path) -> None:
    target = put(tmp_path / "z.bmp")
    (tmp_path / "a.bmp").symlink_to(target)
    [file] = files(scanned(tmp_path / "a.bmp"), scanned(target))
    assert (file.unchanged, file.removable) == (True, False)


def test_a_file_that_a_link_beside_it_leads_to_may_not_go(tmp_path: Path) -> None:
    target, other = put(tmp_path / "z.bmp"), put(tmp_path / "elsewhere" / "y.bmp")
    (tmp_path / "a.txt").symlink_to("z.bmp")
    found = files(scanned(other), scanned(target))
    assert [(Path(file.path).name, file.removable) for file in found] == [
        ("z.bmp", False),
        ("y.bmp", True),
    ]


def test_a_file_that_a_link_in_a_known_folder_leads_to_may_not_go(tmp_path: Path) -> None:
    target = put(tmp_path / "z.bmp")
    album = tmp_path / "folder" / "album"
    album.mkdir(parents=True)
    (album / "1.bmp").symlink_to(target)
    facts = {0: scanned(target)}
    assert [file.removable for file in Disk().files(facts)] == [True]
    assert [file.removable for file in Disk([str(tmp_path / "folder")]).files(facts)] == [False]


def test_the_target_of_a_link_stays_in_an_older_copys_stead(tmp_path: Path) -> None:
    target, older = put(tmp_path / "b.bmp"), put(tmp_path / "a.bmp", age=9)
    (tmp_path / "link.bmp").symlink_to(target)
    assert names(files(scanned(older), scanned(target))) == ["b.bmp", "a.bmp"]


@pytest.mark.parametrize("link", ["file", "folder"])
def test_a_file_that_is_known_by_a_link_alone_may_not_go(tmp_path: Path, link: str) -> None:
    target = put(tmp_path / "z" / "1.bmp")
    path = tmp_path / "a"
    path.symlink_to(target if link == "file" else target.parent)
    [file] = files(scanned(path if link == "file" else path / "1.bmp"))
    assert (file.unchanged, file.removable) == (True, False)


def test_the_largest_stays_then_the_oldest_then_the_first_by_path(tmp_path: Path) -> None:
    facts = [
        scanned(put(tmp_path / "c.bmp", b"c"), side=8),
        scanned(put(tmp_path / "b.bmp", b"b"), side=8),
        scanned(put(tmp_path / "d.bmp", b"d", age=9), side=8),
        scanned(put(tmp_path / "e.bmp", b"e"), side=9),
    ]
    assert names(files(*facts)) == ["e.bmp", "d.bmp", "b.bmp", "c.bmp"]


def test_of_two_of_one_size_and_time_the_one_that_links_lead_to_stays(tmp_path: Path) -> None:
    one, other = put(tmp_path / "a.bmp"), put(tmp_path / "b.bmp")
    (tmp_path / "link.bmp").symlink_to(other)
    found = files(scanned(one), scanned(other), scanned(tmp_path / "link.bmp"))
    assert names(found) == ["b.bmp", "a.bmp"]


def test_what_a_link_alone_leads_to_comes_after_files_of_its_size(tmp_path: Path) -> None:
    (tmp_path / "a.bmp").symlink_to(put(tmp_path / "elsewhere.bmp", age=9))
    one, other = put(tmp_path / "b.bmp"), put(tmp_path / "c.bmp")
    found = files(scanned(tmp_path / "a.bmp", 9), scanned(one, 9), scanned(other, 8))
    assert names(found) == ["b.bmp", "a.bmp", "c.bmp"]
    assert [file.vouches for file in found] == [True, False, True]


def test_what_is_gone_comes_last_and_may_not_go(tmp_path: Path) -> None:
    large, small = put(tmp_path / "a.bmp"), put(tmp_path / "b.bmp")
    facts = [scanned(large, side=9), scanned(small)]
    large.unlink()
    first, last = files(*facts)
    assert (first.path, first.removable) == (str(small), True)
    assert (last.path, last.unchanged, last.removable) == (str(large), False, False)


@pytest.mark.parametrize("data", [b"changed", b"longer than it was"])
def test_what_was_changed_since_comes_last_and_may_not_go(tmp_path: Path, data: bytes) -> None:
    large, small = put(tmp_path / "a.bmp"), put(tmp_path / "b.bmp")
    facts = [scanned(large, side=9), scanned(small)]
    # Even with its old time.
    put(large, data)
    assert [file.removable for file in files(*facts)] == [True, False]
    assert names(files(*facts)) == ["b.bmp", "a.bmp"]


def test_what_became_a_folder_may_not_go(tmp_path: Path) -> None:
    facts = scanned(path := put(tmp_path / "a.bmp"))
    path.unlink()
    path.mkdir()
    [file] = files(facts)
    assert not file.removable


def test_what_was_touched_and_holds_the_same_may_go(tmp_path: Path) -> None:
    facts = scanned(path := put(tmp_path / "a.bmp"))
    path.touch()
    [file] = files(facts)
    assert file.removable


def test_what_rested_since_its_scan_is_not_read_again(tmp_path: Path) -> None:
    facts = scanned(path := put(tmp_path / "a.bmp"), scanned_ns=LATER_NS)
    path.write_bytes(b"another")
    os.utime(path, (LONG_AGO, LONG_AGO))
    [file] = files(facts)
    assert file.unchanged
