"""What a spreadsheet would run is a text in our CSV files, and reads back as it was."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.export.spreadsheet import guarded, unguarded
from engine.ingest.labels.label_table import read_label_table

FORMULAS = [
    *("=1+1", "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "  =1+1", "\n=1"),
    *("＝1+1", "＋1", "－1+1", "＠x", "\u3000=1", "\xa0=1", "\ufeff=1", "\u200b=1", "\x00=1"),
    *("-", "=", "--", "-a.jpg", "\tx", "'=1+1", "''-x", "\u202e=1", "+-1"),
]
HARMLESS = ["chair", "a=b", "1-2", "/tmp/=x", "'chair'", "", " ", "'", "e-mail@example", "椅子"]
NUMBERS = ["-5", "+5", "-0.5", "-1e-3", "+.5", "-5.", "5"]
STARTS = tuple("=+-@\t\r＝＋－＠")
# Texts at random hardly ever begin like a formula.
TEXTS = st.text() | st.lists(st.sampled_from(["'", " ", "=", "-", "＝", "\t", "a", "1", "\n"])).map(
    "".join
)


@pytest.mark.parametrize("text", FORMULAS)
def test_what_could_be_a_formula_is_a_text(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", [*HARMLESS, *NUMBERS])
def test_other_texts_and_numbers_stay_as_they_are(text: str) -> None:
    assert guarded(text) == text
    assert unguarded(text) == text


@pytest.mark.parametrize("value", [-1, -0.5, 3, None, True, float("-inf")])
def test_a_number_is_no_formula(value: object) -> None:
    assert guarded(value) is value


@given(TEXTS)
def test_every_text_reads_back(text: str) -> None:
    assert unguarded(str(guarded(text))) == text


@given(TEXTS)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    cell = str(guarded(text))
    if cell.strip().startswith(STARTS) or cell.startswith(STARTS):
        float(cell)  # it is a number


@pytest.mark.parametrize("label", ["=1+1", "-5", "@home", "'=x", "  + b", "＝ c", "''", "it's"])
def test_labels_of_our_own_csv_read_back_as_they_were(tmp_path: Path, label: str) -> None:
    lines = io.StringIO()
    csv.writer(lines).writerows([["path", "label"], ["a.jpg", guarded(label)]])
    (tmp_path / "labels.csv").write_text(lines.getvalue(), encoding="utf-8")
    [row] = read_label_table(str(tmp_path / "labels.csv")).rows
    assert row.label == label.strip()


def test_paths_of_our_own_csv_are_found_as_they_were(tmp_path: Path) -> None:
    names = ["=a.jpg", "-b.jpg", "'=c.jpg", "d.jpg"]
    lines = io.StringIO()
    csv.writer(lines).writerows([["path", "label"], *([guarded(name), "x"] for name in names)])
    (tmp_path / "labels.csv").write_text(lines.getvalue(), encoding="utf-8")
    paths = [str(tmp_path / name) for name in names]
    labels, unused = read_label_table(str(tmp_path / "labels.csv")).match(paths)
    assert (sorted(labels), unused) == (sorted(paths), [])
