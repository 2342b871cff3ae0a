"""Names as text: the same text however it is written."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ingest.labels.label_text import Spelling, label_text, path_text

CHAIR = "fauteuil élégant"
NFD = unicodedata.normalize("NFD", CHAIR)


@pytest.mark.parametrize(
    "name",
    [CHAIR.encode(), NFD.encode(), CHAIR.encode("latin-1"), f"  {CHAIR}\t ".encode()],
    ids=["NFC", "NFD", "Latin-1", "outer spaces"],
)
def test_a_label_is_one_text_however_it_is_written(name: bytes) -> None:
    assert label_text(os.fsdecode(name).replace("\t", " ")) == CHAIR


def test_bytes_that_are_no_utf8_are_read_as_windows_1252() -> None:
    assert label_text(os.fsdecode(b"5 \x80 \x96 caf\xe9")) == "5 € – café"


def test_control_characters_are_shown_as_replaced() -> None:
    assert label_text("be\td\n1") == "be\ufffdd\ufffd1"
    assert label_text(os.fsdecode(b"\x81")) == "\ufffd"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_path_says_the_same_in_each_form(form: str) -> None:
    assert path_text(unicodedata.normalize(form, f"/a/{CHAIR}/ü.jpg")) == f"/a/{CHAIR}/ü.jpg"


def test_each_name_of_a_path_is_read_for_itself() -> None:
    path = os.fsdecode(b"/caf\xe9/" + NFD.encode() + b"/1.jpg")
    assert path_text(path) == f"/café/{CHAIR}/1.jpg"


def test_labels_that_differ_in_case_alone_are_spelled_as_the_first() -> None:
    spelling = Spelling(["Straße"])
    assert [spelling.of(each) for each in ("bed", "Bed", "STRASSE", "bEd")] == [
        "bed",
        "bed",
        "Straße",
        "bed",
    ]


@given(name=st.text(max_size=8))
def test_a_label_made_of_a_label_is_the_same(name: str) -> None:
    name = name.encode("utf-8", "replace").decode()
    assert label_text(label_text(name)) == label_text(name)


def test_labels_that_were_spelled_otherwise_are_told_a_few_of_them() -> None:
    spelling = Spelling()
    assert spelling.notes() == []
    for label in ("bed", "Bed", "BED", "sofa", "Sofa", "lamp", "Lamp"):
        spelling.of(label)
    said = "labels that differ in case alone are one: BED and Bed as bed, Sofa as sofa"
    assert spelling.notes() == [f"{said}, Lamp as lamp"]
    assert spelling.notes(most=2) == [f"{said} and 1 more"]
