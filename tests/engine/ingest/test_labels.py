"""Where labels come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.ingest.labels import label_rule


def table(tmp_path: Path, text: str | bytes) -> str:
    file = tmp_path / "labels.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(file)


@pytest.mark.parametrize("existing", [None, "chair"])
def test_by_default_labels_stay_as_they_are(existing: str | None) -> None:
    assert label_rule(None).of("/a/bed/1.jpg", existing) == existing


def test_none_takes_labels_away() -> None:
    assert label_rule("none").of("/a/bed/1.jpg", "chair") is None


def test_parent_is_the_folder_s_name() -> None:
    assert label_rule("parent").of("/a/Bett & Sofa/1.jpg", "chair") == "Bett & Sofa"


def test_an_image_at_the_top_has_no_parent_s_label() -> None:
    assert label_rule("parent").of("/1.jpg", "chair") is None


def test_a_folder_s_name_that_is_no_text_becomes_text() -> None:
    path = os.fsdecode(b"/a/St\xfchle/1.jpg")
    assert label_rule("parent").of(path, None) == "St\N{REPLACEMENT CHARACTER}hle"


def test_a_table_labels_paths_beside_it_and_absolute_ones(tmp_path: Path) -> None:
    rule = label_rule(table(tmp_path, "path,label\nsub/../1.jpg,bed\n/far/2.jpg,sofa\n"))
    assert rule.of(str(tmp_path / "1.jpg"), None) == "bed"
    assert rule.of("/far/2.jpg", "chair") == "sofa"


def test_what_a_table_does_not_name_keeps_its_label(tmp_path: Path) -> None:
    rule = label_rule(table(tmp_path, "path,label\n1.jpg,bed\n"))
    assert rule.of(str(tmp_path / "2.jpg"), "chair") == "chair"


@pytest.mark.parametrize("row", ["1.jpg,", "1.jpg,  ", "1.jpg"])
def test_an_empty_label_in_a_table_takes_the_label_away(tmp_path: Path, row: str) -> None:
    rule = label_rule(table(tmp_path, f"path,label\n{row}\n"))
    assert rule.of(str(tmp_path / "1.jpg"), "chair") is None


def test_a_spreadsheet_s_table_is_read(tmp_path: Path) -> None:
    text = '\ufefflabel,price,path\r\n"bed, large",9,"1.jpg"\r\n'
    rule = label_rule(table(tmp_path, text))
    assert rule.of(str(tmp_path / "1.jpg"), None) == "bed, large"


def test_a_label_in_another_encoding_becomes_text(tmp_path: Path) -> None:
    rule = label_rule(table(tmp_path, "path,label\n1.jpg,Stühle\n".encode("latin-1")))
    label = rule.of(str(tmp_path / "1.jpg"), None)
    assert label == "St\N{REPLACEMENT CHARACTER}hle"


def test_a_path_of_any_bytes_can_be_in_a_table(tmp_path: Path) -> None:
    rule = label_rule(table(tmp_path, b"path,label\nSt\xfchle.jpg,chair\n"))
    assert rule.of(os.fsdecode(os.fsencode(tmp_path) + b"/St\xfchle.jpg"), None) == "chair"


@pytest.mark.parametrize("text", ["", "path;label\n1.jpg;bed\n", "file,label\n1.jpg,bed\n"])
def test_a_table_without_the_columns_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="lacks a column"):
        label_rule(table(tmp_path, text))


@pytest.mark.parametrize("name", ["missing.csv", "parents", "."])
def test_what_is_no_table_is_refused_with_the_choices(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        label_rule(str(tmp_path / name))
    assert "parent, none, or a CSV file" in caught.value.remedy


def test_a_field_beyond_measure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the labels cannot be read"):
        label_rule(table(tmp_path, "path,label\n" + "x" * 200_000 + ",bed\n"))
