"""Where files that are moved aside may lie, and what they are called there."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import pytest

from engine import UsageError
from engine.search.duplicates.moves.destination import Destination, numbered


@pytest.fixture
def roots(tmp_path: Path) -> list[str]:
    """Two folders that were indexed."""
    folders = [tmp_path / "photos", tmp_path / "deep" / "scans"]
    for folder in folders:
        folder.mkdir(parents=True)
    return [str(folder) for folder in folders]


def destination(folder: Path, roots: list[str]) -> Destination:
    return Destination(str(folder), roots, str(folder.parent / "store" / ".engine"))


def test_a_file_lies_below_the_name_of_its_folder(tmp_path: Path, roots: list[str]) -> None:
    found = destination(tmp_path / "aside", roots)
    assert next(found.names(f"{roots[1]}/a/b.jpg")) == "scans/a/b.jpg"
    assert next(found.names("/elsewhere/c.jpg")) == "elsewhere/c.jpg"
    assert next(found.names("/c.jpg")) == "root/c.jpg"


def test_further_names_have_a_number_and_none_comes_twice(tmp_path: Path, roots: list[str]) -> None:
    found = destination(tmp_path / "aside", roots)
    names = list(islice(found.names(f"{roots[0]}/a.jpg"), 3))
    assert names == ["photos/a.jpg", "photos/a (2).jpg", "photos/a (3).jpg"]
    assert next(found.names(f"{roots[0]}/a.jpg")) == "photos/a (4).jpg"


@pytest.mark.parametrize("letter", ["a", "ä", "\U0001f6cb", os.fsdecode(b"\xff")])
def test_a_long_name_is_cut_between_letters(letter: str) -> None:
    stem = letter * (251 // len(os.fsencode(letter)))
    name = os.path.basename(numbered(f"photos/{stem}.jpg", 12))
    assert name.endswith(f"{letter} (12).jpg")
    assert 245 < len(os.fsencode(name)) <= 255


@pytest.mark.parametrize(
    "folder", ["photos", "photos/aside", "deep/scans/a/b", "photos/.hidden/../aside"]
)
def test_a_folder_that_is_indexed_is_refused(tmp_path: Path, roots: list[str], folder: str) -> None:
    with pytest.raises(UsageError, match=r"would be indexed again.*outside, or a hidden one"):
        destination(tmp_path / folder, roots)


def test_so_is_one_in_which_a_folder_of_its_name_is_indexed(
    tmp_path: Path, roots: list[str]
) -> None:
    for folder in (tmp_path, tmp_path / "deep"):
        with pytest.raises(UsageError, match="would be indexed again"):
            destination(folder, roots)


def test_so_is_one_that_a_link_leads_to(tmp_path: Path, roots: list[str]) -> None:
    (tmp_path / "linked").symlink_to(roots[0])
    with pytest.raises(UsageError, match="would be indexed again"):
        destination(tmp_path / "linked" / "aside", roots)


@pytest.mark.parametrize("folder", ["photos/.duplicates", "photos/a/.hidden/b", "photos/@eaDir"])
def test_a_hidden_folder_is_none_of_them(tmp_path: Path, roots: list[str], folder: str) -> None:
    assert destination(tmp_path / folder, roots).folder == str(tmp_path / folder)


def test_a_link_a_file_and_a_name_that_nothing_has_are_refused(
    tmp_path: Path, roots: list[str]
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "broken").symlink_to(tmp_path / "nothing")
    (tmp_path / "file").write_bytes(b"")
    for name, said in {
        "link": "it is a link to",
        "broken": "it is a link to",
        "file": "it is a file",
        "file/below": "this can be no folder",
        "a\0b": "this can be no folder",
    }.items():
        with pytest.raises(UsageError, match=said):
            destination(tmp_path / name, roots)


def test_the_store_is_no_place_for_pictures(tmp_path: Path, roots: list[str]) -> None:
    with pytest.raises(UsageError, match="the store is no place"):
        Destination(str(tmp_path / "s" / "aside"), roots, str(tmp_path / "s"))


def test_folders_that_are_missing_come_outermost_first(tmp_path: Path, roots: list[str]) -> None:
    found = destination(tmp_path / "aside", roots)
    (tmp_path / "aside" / "photos").mkdir(parents=True)
    assert found.missing_folders("photos/a/b/c.jpg") == ["photos/a", "photos/a/b"]
    assert found.missing_folders("photos/c.jpg") == []


@pytest.mark.parametrize("there", ["file", "link"])
def test_nothing_is_moved_through_a_link_or_a_file(
    tmp_path: Path, roots: list[str], there: str
) -> None:
    found = destination(tmp_path / "aside", roots)
    (tmp_path / "aside").mkdir()
    if there == "link":
        (tmp_path / "aside" / "photos").symlink_to(tmp_path / "deep")
    else:
        (tmp_path / "aside" / "photos").write_bytes(b"")
    with pytest.raises(OSError, match=r"no folder of its own|Not a directory"):
        found.missing_folders("photos/a/c.jpg")
