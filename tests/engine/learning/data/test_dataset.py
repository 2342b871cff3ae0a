"""A folder per label, and which folders are one label."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from engine import UsageError
from engine.ingest.labels import label_rule
from engine.learning.data.dataset import find_labelled, label_folders, require_folder


def test_folders_that_say_the_same_are_one_label(images: Path) -> None:
    (images / "bed").rename(images / "Möbel")
    (images / "chair").rename(images / unicodedata.normalize("NFD", "möbel"))
    (images / "lamp").rename(images / " MÖBEL ")
    files, _ = find_labelled(str(images))
    assert (len(files), len({label for _, label in files})) == (12, 1)
    assert set(label_folders(str(images)).values()) == {label for _, label in files}


def test_a_folder_without_an_image_has_its_label(tmp_path: Path) -> None:
    (tmp_path / "bed ").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "file").touch()
    assert label_folders(str(tmp_path)) == {"bed ": "bed"}


def test_a_table_hears_of_all_files_before_it_is_asked(images: Path) -> None:
    names = sorted(os.listdir(images / "bed"))
    rows = "".join(f"bed/{name},{label}\n" for name, label in zip(names, "aAbB", strict=True))
    (images / "labels.csv").write_text(f"path,label\n{rows}none.jpg,c\n")
    rule = label_rule(str(images / "labels.csv"))
    files, _ = find_labelled(str(images), rule)
    assert [label for _, label in files] == ["a", "a", "b", "b"]
    assert [row.path for row in rule.unused()] == ["none.jpg"]


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_no_folder_is_no_data_set(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="there is no such folder"):
        require_folder(str(tmp_path / name))
