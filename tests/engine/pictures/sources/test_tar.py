"""Tar archives: members by offset, and nothing that an archive of a stranger may lead to."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ImageError
from engine.pictures.read import open_file, read_file
from engine.pictures.sources.archive import unsafe
from engine.pictures.walk import find_images, list_images, members
from engine.pictures.walk_rules import WalkRules
from tests.support.archives import picture, write_tar


def names(path: Path, rules: WalkRules | None = None) -> list[str]:
    """Return the paths of the images that are found, below a folder."""
    found = find_images([os.fspath(path)], rules)
    return [os.path.relpath(file.path, path) for file in found.files]


def test_members_are_found_as_if_the_archive_were_a_folder(tmp_path: Path) -> None:
    inside = {"./a/1.png": picture(1), "b.jpg": picture(2), "notes.md": b"x", "a/.3.png": b"x"}
    archive = write_tar(tmp_path / "x.tar", inside)
    assert names(archive) == ["a/1.png", "b.jpg"]


def test_a_member_is_read_as_it_was_written(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "x.tar", {f"{n}.png": picture(n) for n in range(5)})
    for file in find_images([os.fspath(archive)]).files:
        number = int(Path(file.path).stem)
        assert read_file(file.path) == picture(number) and file.size == len(picture(number))


def test_a_member_is_opened_where_it_has_the_hash(tmp_path: Path) -> None:
    import hashlib

    archive = write_tar(tmp_path / "x.tar", {"1.png": picture(1)})
    with open_file(f"{archive}/1.png", hashlib.sha256(picture(1)).hexdigest()) as file:
        assert file.read() == picture(1) and os.fstat(file.fileno()).st_size == len(picture(1))
    with pytest.raises(ImageError, match="something else"):
        open_file(f"{archive}/1.png", "0" * 64)


def test_a_member_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "x.tar", {"1.png": b"x" * 2000})
    reserved: list[int] = []
    with pytest.raises(ImageError, match="more than the limit"):
        read_file(f"{archive}/1.png", 1999, reserved.append)
    assert reserved == []
    read_file(f"{archive}/1.png", 2000, reserved.append)
    assert reserved == [2000]


@pytest.mark.parametrize("path", ["nothing.png", "1.png/inside", "sub"])
def test_what_is_not_in_an_archive_is_refused(tmp_path: Path, path: str) -> None:
    archive = write_tar(tmp_path / "x.tar", {"1.png": picture(1)})
    with pytest.raises(ImageError, match="no such member"):
        read_file(f"{archive}/{path}")


def test_archives_in_a_folder_stay_closed_unless_that_is_asked(tmp_path: Path) -> None:
    write_tar(tmp_path / "sub" / "x.tar", {"1.png": picture(1)})
    (tmp_path / "2.png").write_bytes(picture(2))
    found = list_images([os.fspath(tmp_path)])
    assert [Path(each.path).name for each in found.closed] == ["x.tar"] and not found.archives
    assert names(tmp_path) == ["2.png"]
    assert names(tmp_path, WalkRules(archives=True)) == ["2.png", "sub/x.tar/1.png"]
    assert names(tmp_path, WalkRules(archives=True, exclude=("x.tar",))) == ["2.png"]
    assert names(tmp_path, WalkRules(archives=True, exclude=("1.*",))) == ["2.png"]


def test_a_part_of_an_archive_may_be_named(tmp_path: Path) -> None:
    inside = {"a/1.png": picture(1), "b/2.png": picture(2), "a/3.png": picture(3)}
    archive = write_tar(tmp_path / "x.tar", inside)
    assert names(archive / "a") == ["1.png", "3.png"]
    assert names(archive / "b" / "2.png") == ["."]


def test_a_listing_opens_no_archive(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"this is none")
    found = list_images([os.fspath(tmp_path / "x.tar")])
    assert [each.path for each in found.archives] == [f"{tmp_path}/x.tar"] and not found.skipped


def test_the_state_of_a_member_changes_with_its_archive(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    [before] = find_images([os.fspath(write_tar(path, {"1.png": picture(1)}))]).files
    assert [before] == find_images([os.fspath(path)]).files
    [after] = find_images([os.fspath(write_tar(path, {"1.png": picture(1)}))]).files
    assert after.inode != before.inode


def test_links_in_an_archive_are_skipped_by_name(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "x.tar", {"1.png": picture(1)}, links=["passwd.png"])
    found = find_images([os.fspath(archive)])
    assert [each.path for each in found.files] == [f"{archive}/1.png"]
    assert [each.path for each in found.skipped] == [f"{archive}/passwd.png"]
    with pytest.raises(ImageError):
        read_file(f"{archive}/passwd.png")


@pytest.mark.parametrize(
    "name", ["../up.png", "/etc/x.png", "a/../../b.png", "a//b.png", "a\\b.png", "a/./b.png"]
)
def test_unsafe_names_are_skipped_by_name(tmp_path: Path, name: str) -> None:
    archive = write_tar(tmp_path / "x.tar", {name: picture(1), "good.png": picture(2)})
    found = find_images([os.fspath(archive)])
    assert [each.path for each in found.files] == [f"{archive}/good.png"]
    assert len(found.skipped) == 1 and found.skipped[0].hint == "Rename it in the archive"


def test_of_doubled_names_the_first_counts(tmp_path: Path) -> None:
    archive = tmp_path / "x.tar"
    write_tar(archive, {"1.png": picture(1)})
    with tarfile.open(archive, "a") as more:
        (tmp_path / "1.png").write_bytes(picture(2))
        more.add(tmp_path / "1.png", "1.png")
    found = find_images([os.fspath(archive)])
    assert read_file(found.files[0].path) == picture(1)
    assert [each.reason for each in found.skipped] == ["another member has the same name"]


@given(st.text(max_size=30))
def test_a_safe_name_stays_in_its_archive(name: str) -> None:
    if unsafe(name) is None:
        path = os.path.normpath(f"/x.tar/{name}")
        assert path == f"/x.tar/{name}" and path != "/x.tar" and "\0" not in path


@pytest.mark.parametrize("end", [700, 1100, 1600])
def test_of_an_archive_that_is_cut_nothing_counts_as_gone(tmp_path: Path, end: int) -> None:
    archive = write_tar(tmp_path / "x.tar", {f"{n}.png": picture(n) for n in range(4)})
    archive.write_bytes(archive.read_bytes()[:end])
    found = find_images([os.fspath(archive)])
    assert found.unseen == [os.fspath(archive)] and found.skipped


def test_what_is_damaged_behind_some_images_says_so(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "x.tar", {f"{n}.png": picture(n) for n in range(4)})
    data = bytearray(archive.read_bytes())
    second = data.index(b"2.png")
    data[second : second + 512] = b"\xff" * 512
    archive.write_bytes(data)
    found = find_images([os.fspath(archive)])
    assert len(found.files) == 2 and found.unseen == [os.fspath(archive)]
    assert "damaged behind its first 2" in found.skipped[0].reason


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x1f\x8b\x08" + bytes(600), b"\xff" * 3000])
def test_what_is_no_archive_is_one_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(data)
    found = find_images([f"{tmp_path}/x.tar"])
    assert not found.files and len(found.skipped) <= 1
    assert found.unseen == [f"{tmp_path}/x.tar"] or not data


def test_a_header_that_asks_for_all_memory_is_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 2**40
    (tmp_path / "x.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(4 << 20))
    found = find_images([f"{tmp_path}/x.tar"])
    assert found.unseen == [f"{tmp_path}/x.tar"] and len(found.skipped) == 1


def test_sidecars_say_what_an_image_shows(tmp_path: Path) -> None:
    inside = {
        **{f"{n}.jpg": picture(n) for n in range(6)},
        "0.cls": b"chair\n",
        "1.json": b'{"label": "bed"}',
        "2.json": b'{"cls": 7}',
        "3.txt": b"lamp",
        "4.json": b"[broken",
        "5.txt": b"a caption\nof two lines",
    }
    archive = write_tar(tmp_path / "x.tar", inside)
    [file] = list_images([os.fspath(archive)]).archives
    found = members(file, labels=True)
    said = {Path(path).stem: label for path, label in found.labels.items()}
    assert said == {"0": "chair", "1": "bed", "2": "7", "3": "lamp"}
    assert not members(file).labels
