"""The page of duplicates: what should stay beside what may go, whatever files are called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cli.pages.duplicates import MOST_GROUPS, MOST_OF_A_GROUP, write_duplicates_page
from engine import DuplicateGroup
from tests.support.page import Page, read_page

NASTY = '<script>bold & "quoted".png'


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[str], str]:
    """Write a picture of a name; return its path."""

    def write(name: str) -> str:
        path = tmp_path / name
        Image.new("RGB", (600, 400), (200, 30, 30)).save(path, "PNG")
        return str(path)

    return write


def page_of(groups: list[DuplicateGroup], tmp_path: Path) -> Page:
    write_duplicates_page(groups, tmp_path / "page.html")
    return read_page(tmp_path / "page.html")


def test_it_says_what_stays_and_what_may_go(picture: Callable[[str], str], tmp_path: Path) -> None:
    keep, copy, linked = picture("keep.png"), picture("copy.png"), picture("linked.png")
    group = DuplicateGroup("copy", 0.912, [keep, copy, linked], keep, [copy])
    page = page_of([group], tmp_path)
    for text in ("Copies of one picture", "0.912", "stays", "may go", "look first", "keep.png"):
        assert text in page.text
    assert len(page.images) == 3


def test_names_are_text_whatever_they_look_like(
    picture: Callable[[str], str], tmp_path: Path
) -> None:
    nasty, other = picture(NASTY), picture("other.png")
    page = page_of([DuplicateGroup("exact", 1.0, [nasty, other], nasty, [other])], tmp_path)
    assert NASTY in page.text
    assert not {"script", "script>"} & set(page.tags)


def test_of_very_many_the_first_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    paths = [f"/nowhere/{number}.png" for number in range(MOST_OF_A_GROUP + 3)]
    group = DuplicateGroup("exact", 1.0, paths, paths[0], paths[1:])
    page = page_of([group] * (MOST_GROUPS + 1), tmp_path)
    assert f"the first {MOST_GROUPS} are shown" in page.text
    assert page.text.count("3 pictures more in this group") == MOST_GROUPS


def test_without_groups_it_says_so(tmp_path: Path) -> None:
    assert "0 groups of 0 pictures" in page_of([], tmp_path).text
