"""Tables of labels as people have them: encodings, separators, and rows that cannot be used."""

from __future__ import annotations

import codecs
import os
import unicodedata
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.ingest.labels.label_table import read_label_table, table_text
from engine.skipped import Skipped

TEXT = "path,label\nsub/Stühle.jpg,Möbel – alt\n"


def matched(
    folder: Path, table: str | bytes, *names: str
) -> tuple[dict[str, str | None], list[Skipped]]:
    """Return the labels that a table in a folder gives to files of it, and the rows left over."""
    file = folder / "labels.csv"
    file.write_bytes(table if isinstance(table, bytes) else table.encode())
    given, unused = read_label_table(str(file)).match(
        [os.path.join(folder, name) for name in names]
    )
    return {os.path.relpath(path, folder): label for path, label in given.items()}, unused


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"),
        TEXT.encode("cp1252"),
    ],
    ids=["UTF-8", "BOM", "UTF-16 LE", "BE", "LE, no mark", "BE, no mark", "UTF-32", "cp1252"],
)
def test_a_table_is_read_in_every_encoding(tmp_path: Path, data: bytes) -> None:
    given, unused = matched(tmp_path, data, "sub/Stühle.jpg")
    assert given == {"sub/Stühle.jpg": "Möbel – alt"}
    assert unused == []


def test_each_line_is_utf8_or_windows_1252() -> None:
    lines = ["é,1\n".encode(), "é,2\r\n".encode("cp1252"), b"\x81"]
    assert table_text(b"".join(lines)) == "é,1\né,2\r\n\x81"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_is_read_with_every_separator(tmp_path: Path, separator: str) -> None:
    rows = [["path", "label"], ["1.jpg", "bed"]]
    table = "\n".join(separator.join(row) for row in rows)
    assert matched(tmp_path, table, "1.jpg")[0] == {"1.jpg": "bed"}


def test_a_field_may_hold_another_separator(tmp_path: Path) -> None:
    given, _ = matched(tmp_path, "path;label\n1.jpg;bed, large\n", "1.jpg")
    assert given == {"1.jpg": "bed, large"}


@pytest.mark.parametrize("header", ["PATH,Label", " path , LABEL ", '"Path","label"', "label,path"])
def test_headers_are_found_in_any_case_and_order(tmp_path: Path, header: str) -> None:
    row = "bed,1.jpg" if header.startswith("label") else "1.jpg,bed"
    assert matched(tmp_path, f"\n{header}\n{row}\n", "1.jpg")[0] == {"1.jpg": "bed"}


@pytest.mark.parametrize("text", ["", "\n\n", "file,label\n1.jpg,bed\n", "path|label\n1.jpg|bed\n"])
def test_a_table_without_the_columns_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="lacks a column") as caught:
        matched(tmp_path, text)
    assert "commas, semicolons or tabs" in caught.value.remedy


def test_a_field_beyond_measure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the labels cannot be read"):
        matched(tmp_path, "path,label\n" + "x" * 200_000 + ",bed\n")


@pytest.mark.parametrize("in_table", ["NFC", "NFD"])
@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_a_path_matches_in_either_form(tmp_path: Path, in_table: str, on_disk: str) -> None:
    table = f"path,label\n{unicodedata.normalize(in_table, 'é.jpg')},bed\n"
    given, unused = matched(tmp_path, table, unicodedata.normalize(on_disk, "é.jpg"))
    assert (list(given.values()), unused) == (["bed"], [])


def test_a_path_matches_a_file_of_a_legacy_system(tmp_path: Path) -> None:
    name = os.fsdecode(b"St\xfchle.jpg")
    for table in (b"path,label\nSt\xfchle.jpg,chair\n", "path,label\nStühle.jpg,chair\n".encode()):
        given, unused = matched(tmp_path, table, name)
        assert (list(given.values()), unused) == (["chair"], [])


def test_spaces_around_a_path_count_only_where_a_file_has_them(tmp_path: Path) -> None:
    table = "path,label\n 1.jpg ,bed\n 2.jpg,sofa\n"
    assert matched(tmp_path, table, "1.jpg", " 2.jpg")[0] == {"1.jpg": "bed", " 2.jpg": "sofa"}


def test_a_path_of_windows_matches(tmp_path: Path) -> None:
    table = "path,label\nsub\\1.jpg,bed\na\\b.jpg,sofa\n"
    assert matched(tmp_path, table, "sub/1.jpg", "a\\b.jpg")[0] == {
        "sub/1.jpg": "bed",
        "a\\b.jpg": "sofa",
    }


def test_a_line_that_says_the_separator_is_no_header(tmp_path: Path) -> None:
    given, [unused] = matched(tmp_path, "sep=;\r\npath;label\r\n1.jpg;bed\r\n2;3;4\r\n", "1.jpg")
    assert given == {"1.jpg": "bed"}
    assert unused.reason.startswith("line 4 of labels.csv")


def test_labels_lose_their_outer_spaces(tmp_path: Path) -> None:
    table = "path,label\n1.jpg,  bed \n2.jpg,  \n"
    assert matched(tmp_path, table, "1.jpg", "2.jpg")[0] == {"1.jpg": "bed", "2.jpg": None}


def test_a_row_that_matches_no_image_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "there.jpg").touch()
    table = "path,label\n1.jpg,bed\ngone.jpg,bed\nthere.jpg,bed\n"
    given, (gone, there) = matched(tmp_path, table, "1.jpg")
    assert given == {"1.jpg": "bed"}
    assert (gone.path, gone.reason) == (
        "gone.jpg",
        "line 3 of labels.csv: there is no such picture",
    )
    assert there.reason == "line 4 of labels.csv: this is not among the pictures that were found"
    assert "Name its folder" in there.hint


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1.jpg", "it has 1 fields, the first line has 2"),
        ("1.jpg,bed,large", "it has 3 fields, the first line has 2"),
        (",bed", "it names no picture"),
    ],
)
def test_a_row_of_another_shape_is_left_out_and_told(tmp_path: Path, row: str, reason: str) -> None:
    given, [unused] = matched(tmp_path, f"path,label\n{row}\n", "1.jpg")
    assert given == {}
    assert unused.reason == f"line 2 of labels.csv: {reason}"


def test_rows_without_anything_are_no_rows(tmp_path: Path) -> None:
    assert matched(tmp_path, "path,label\n\n,\n , \n1.jpg,bed\n", "1.jpg") == (
        {"1.jpg": "bed"},
        [],
    )


def test_of_two_labels_for_one_image_the_first_holds(tmp_path: Path) -> None:
    table = "path,label\n1.jpg,bed\n./1.jpg,bed\n1.jpg,sofa\n"
    given, [unused] = matched(tmp_path, table, "1.jpg")
    assert given == {"1.jpg": "bed"}
    assert unused.reason == "line 4 of labels.csv: line 2 gives it another label, which holds"
