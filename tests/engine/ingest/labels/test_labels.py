"""Where labels come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.ingest.labels.labels import Labels, label_rule


def table(tmp_path: Path, text: str, *paths: str) -> Labels:
    """Return the rule of a table, which has heard of some files."""
    file = tmp_path / "labels.csv"
    file.write_text(text, encoding="utf-8")
    rule = label_rule(str(file))
    rule.expect(paths)
    return rule


@pytest.mark.parametrize("existing", [None, "chair"])
def test_by_default_labels_stay_as_they_are(existing: str | None) -> None:
    assert label_rule(None).of("/a/bed/1.jpg", existing) == existing


def test_none_takes_labels_away() -> None:
    assert label_rule("none").of("/a/bed/1.jpg", "chair") is None


def test_parent_is_the_folder_s_name() -> None:
    assert label_rule("parent").of("/a/Bett & Sofa/1.jpg", "chair") == "Bett & Sofa"


def test_an_image_at_the_top_has_no_parent_s_label() -> None:
    assert label_rule("parent").of("/1.jpg", "chair") is None


def test_a_folder_s_name_that_is_no_utf8_is_read_as_windows_1252() -> None:
    path = os.fsdecode(b"/a/St\xfchle/1.jpg")
    assert label_rule("parent").of(path, None) == "Stühle"


def test_folders_that_differ_in_case_alone_are_one_label() -> None:
    rule = label_rule("parent")
    paths = ["/a/Bed/1.jpg", "/b/bed/2.jpg", "/c/ BED /3.jpg"]
    rule.expect(paths)
    assert [rule.of(path, None) for path in reversed(paths)] == ["Bed"] * 3


def test_labels_in_use_keep_their_spelling(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\n1.jpg,SOFA\n")
    for choice, label in (("parent", "bed"), (str(tmp_path / "labels.csv"), "Sofa")):
        rule, path = label_rule(choice), str(tmp_path / "BED" / "1.jpg")
        if label == "Sofa":
            path = str(tmp_path / "1.jpg")
        rule.expect([path], lambda: ["bed", "Sofa"])
        assert rule.of(path, None) == label


def test_a_table_labels_paths_beside_it_and_absolute_ones(tmp_path: Path) -> None:
    beside = str(tmp_path / "1.jpg")
    rule = table(tmp_path, "path,label\nsub/../1.jpg,bed\n/far/2.jpg,sofa\n", beside, "/far/2.jpg")
    assert rule.of(beside, None) == "bed"
    assert rule.of("/far/2.jpg", "chair") == "sofa"
    assert rule.unused() == []


def test_what_a_table_does_not_name_keeps_its_label(tmp_path: Path) -> None:
    rule = table(tmp_path, "path,label\n1.jpg,bed\n", str(tmp_path / "2.jpg"))
    assert rule.of(str(tmp_path / "2.jpg"), "chair") == "chair"


@pytest.mark.parametrize("row", ["1.jpg,", "1.jpg,  "])
def test_an_empty_label_in_a_table_takes_the_label_away(tmp_path: Path, row: str) -> None:
    path = str(tmp_path / "1.jpg")
    assert table(tmp_path, f"path,label\n{row}\n", path).of(path, "chair") is None


def test_a_table_tells_which_rows_no_image_used(tmp_path: Path) -> None:
    rule = table(tmp_path, "path,label\n1.jpg,bed\n2.jpg,bed\n", str(tmp_path / "1.jpg"))
    assert [row.path for row in rule.unused()] == ["2.jpg"]


@pytest.mark.parametrize("choice", [None, "parent", "none"])
def test_other_rules_leave_nothing_unused(choice: str | None) -> None:
    rule = label_rule(choice)
    rule.expect(["/a/bed/1.jpg"])
    assert rule.unused() == []


@pytest.mark.parametrize("name", ["missing.csv", "parents", "."])
def test_what_is_no_table_is_refused_with_the_choices(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        label_rule(str(tmp_path / name))
    assert "parent, none, or a CSV file" in caught.value.remedy
