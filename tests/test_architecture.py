"""`docs/architecture.md` names files that are there, and folders stay small enough to be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import REPOSITORY

PAGE = REPOSITORY / "docs" / "architecture.md"
PACKAGES = ("cli", "demo", "engine", "index", "server")
FOLDERS = [
    folder
    for package in PACKAGES
    for folder in (REPOSITORY / package, *(REPOSITORY / package).rglob("*"))
    if folder.is_dir() and (folder / "__init__.py").exists()
]
# A command is a file.
MOST_ENTRIES = {"engine": 20, "index": 12, "cli/commands": 20}


def _named() -> Iterator[str]:
    """Yield every file of the packages that the page names, as a path from the root."""
    folder = ""
    for span in re.findall(r"`([\w/]+\.py)`", PAGE.read_text(encoding="utf-8")):
        if "/" in span:
            folder = span.rpartition("/")[0]
            yield span
        else:
            yield f"{folder}/{span}"


def test_the_page_names_many_files() -> None:
    assert len(set(_named())) > 100


@pytest.mark.parametrize("name", sorted(set(_named())))
def test_a_file_that_the_page_names_is_there(name: str) -> None:
    assert (REPOSITORY / name).is_file()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda each: str(each.relative_to(REPOSITORY)))
def test_a_folder_fits_on_a_screen(folder: Path) -> None:
    entries = [entry.name for entry in folder.iterdir() if entry.name != "__pycache__"]
    most = MOST_ENTRIES.get(folder.relative_to(REPOSITORY).as_posix(), 16)
    assert len(entries) <= most, sorted(entries)
