"""Links on the way to picture files: each folder is walked once, under its real path first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.pictures.walk import find_images
from engine.pictures.walk_rules import TRASH


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"picture")
    return path


def names(*roots: Path) -> list[str]:
    found = find_images([str(root) for root in roots])
    return [os.path.relpath(file.path, roots[0]) for file in found.files]


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "1.jpg")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    assert names(tmp_path) == ["a/1.jpg"]


def test_links_into_the_trash_are_left_out(tmp_path: Path) -> None:
    gone = touch(tmp_path / TRASH / "1.jpg")
    touch(tmp_path / "2.jpg")
    (tmp_path / "folder").symlink_to(gone.parent)
    (tmp_path / "file.jpg").symlink_to(gone)
    found = find_images([str(tmp_path)])
    assert [os.path.basename(file.path) for file in found.files] == ["2.jpg"]
    assert found.left_out == 3


def test_a_folder_linked_twice_is_walked_once(tmp_path: Path) -> None:
    outside = touch(tmp_path / "outside" / "1.jpg").parent
    root = tmp_path / "root"
    root.mkdir()
    (root / "one").symlink_to(outside)
    (root / "two").symlink_to(outside)
    assert names(root) == ["one/1.jpg"]


@pytest.mark.parametrize("link", ["a-first", "z-last", "inner/link", "z/deep/link"])
@pytest.mark.parametrize("real", ["m", "inner/m", "inner/deep/m"])
def test_a_folder_is_walked_under_its_real_path_wherever_a_link_sorts(
    tmp_path: Path, link: str, real: str
) -> None:
    touch(tmp_path / real / "1.jpg")
    touch(tmp_path / real / "sub" / "2.jpg")
    (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / link).symlink_to(tmp_path / real)
    assert names(tmp_path) == [f"{real}/1.jpg", f"{real}/sub/2.jpg"]


def test_of_a_folder_that_a_link_leads_into_only_the_rest_is_under_the_link(
    tmp_path: Path,
) -> None:
    touch(tmp_path / "out" / "1.jpg")
    touch(tmp_path / "out" / "root" / "2.jpg")
    (tmp_path / "out" / "root" / "a").symlink_to(tmp_path / "out")
    assert names(tmp_path / "out" / "root") == ["2.jpg", "a/1.jpg"]


def test_links_from_outside_lead_to_real_paths_inside_and_not_the_other_way(tmp_path: Path) -> None:
    touch(tmp_path / "root" / "z" / "1.jpg")
    touch(tmp_path / "outside" / "2.jpg")
    (tmp_path / "outside" / "back").symlink_to(tmp_path / "root" / "z")
    (tmp_path / "root" / "a").symlink_to(tmp_path / "outside")
    assert names(tmp_path / "root") == ["a/2.jpg", "z/1.jpg"]


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
@pytest.mark.parametrize("inner", [".", "sub"])
def test_a_link_from_one_root_into_another_gives_way(
    tmp_path: Path, order: tuple[str, str], inner: str
) -> None:
    touch(tmp_path / "two" / "sub" / "1.jpg")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "link").symlink_to(tmp_path / "two" / inner)
    found = find_images([str(tmp_path / name) for name in order])
    assert [file.path for file in found.files] == [str(tmp_path / "two" / "sub" / "1.jpg")]


def test_a_link_named_as_a_root_gives_the_names_as_they_were_given(tmp_path: Path) -> None:
    touch(tmp_path / "real" / "sub" / "1.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert names(tmp_path / "link") == ["sub/1.jpg"]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("named", ["real", "real/sub", "."])
def test_a_link_named_as_a_root_gives_way_to_a_real_path_named_with_it(
    tmp_path: Path, order: int, named: str
) -> None:
    touch(tmp_path / "real" / "sub" / "1.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    roots = [str(tmp_path / "link"), str(tmp_path / named)][::order]
    found = find_images(roots)
    assert [file.path for file in found.files] == [str(tmp_path / "real" / "sub" / "1.jpg")]
    assert found.roots == [os.path.abspath(root) for root in roots]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_roots_named_through_links_the_inner_one_keeps_its_name(
    tmp_path: Path, order: int
) -> None:
    touch(tmp_path / "real" / "1.jpg")
    touch(tmp_path / "real" / "sub" / "2.jpg")
    (tmp_path / "all").symlink_to(tmp_path / "real")
    (tmp_path / "part").symlink_to(tmp_path / "real" / "sub")
    found = find_images([str(tmp_path / "all"), str(tmp_path / "part")][::order])
    wanted = [str(tmp_path / "all" / "1.jpg"), str(tmp_path / "part" / "2.jpg")]
    assert [file.path for file in found.files] == wanted


def test_links_that_lead_to_each_other_end(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        touch(tmp_path / name / f"{name}.jpg")
        (tmp_path / name / "link").symlink_to(tmp_path / other)
        touch(tmp_path / "outside" / name / f"{name}{name}.jpg")
        (tmp_path / "outside" / name / "link").symlink_to(tmp_path / "outside" / other)
    root = tmp_path / "root"
    root.mkdir()
    (root / "inside").symlink_to(tmp_path / "a")
    (root / "outside").symlink_to(tmp_path / "outside" / "b")
    assert names(root) == [
        "inside/a.jpg",
        "inside/link/b.jpg",
        "outside/bb.jpg",
        "outside/link/aa.jpg",
    ]


@pytest.mark.parametrize("link", ["a.jpg", "z.jpg", "z/deep.jpg"])
def test_a_link_to_a_file_gives_way_to_the_file(tmp_path: Path, link: str) -> None:
    (tmp_path / "z").mkdir()
    (tmp_path / link).symlink_to(touch(tmp_path / "real.jpg"))
    assert names(tmp_path) == ["real.jpg"]


def test_of_several_links_to_a_file_elsewhere_one_is_taken(tmp_path: Path) -> None:
    outside = touch(tmp_path / "blobs" / "0123456789abcdef")
    root = tmp_path / "root"
    (root / "cat").mkdir(parents=True)
    for link in ("cat/1.jpg", "cat/2.jpg", "3.jpg"):
        (root / link).symlink_to(outside)
    assert names(root) == ["3.jpg"]


def test_hard_links_are_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").hardlink_to(touch(tmp_path / "a.jpg"))
    assert names(tmp_path) == ["a.jpg", "b.jpg"]


def test_a_link_to_an_image_is_taken_under_its_own_name(tmp_path: Path) -> None:
    outside = touch(tmp_path / "outside" / "1.jpg")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link.jpg").symlink_to(outside)
    assert names(root) == ["link.jpg"]


@pytest.mark.parametrize("target", ["nowhere", "link.jpg"])
def test_a_link_that_leads_nowhere_is_skipped_and_unseen(tmp_path: Path, target: str) -> None:
    link = tmp_path / "link.jpg"
    link.symlink_to(tmp_path / target)
    found = find_images([str(tmp_path)])
    assert found.files == []
    assert found.unseen == [str(link)]
    (skip,) = found.skipped
    assert skip.path == str(link)
    assert skip.reason and skip.hint
