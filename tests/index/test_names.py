"""Names that people type: when two are the same, and what is suggested for one that nothing has."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.names import FEW, composed, nearest_names, readable, same_name, suggestion

NAMES = ["chair", "lamp", "Sofa", "armchair"]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("chiar", ["chair"]),
        ("CHAIR", ["chair", "armchair"]),
        ("sofa", ["Sofa"]),
        ("unicorn", []),
        ("", []),
    ],
)
def test_the_names_most_like_one_are_found(name: str, nearest: list[str]) -> None:
    assert nearest_names(name, NAMES) == nearest


def test_of_names_as_near_those_of_the_same_letters_come_first() -> None:
    assert nearest_names("bde", ["binder", "bee", "bride", "bed"])[0] == "bed"


def test_few_names_are_listed_whole() -> None:
    said = suggestion("chair", NAMES, "The catalog has", "labels")
    assert said == "Did you mean chair or armchair? The catalog has chair, lamp, Sofa, armchair"


def test_of_many_names_the_nearest_are_listed_and_the_others_counted() -> None:
    many = [*NAMES, *(f"{number:>9}" for number in range(FEW))]
    said = suggestion("lmap", many, "The catalog has", "labels")
    assert said == f"Did you mean lamp? The catalog has {len(many)} labels"


def test_where_there_are_no_names_that_is_said() -> None:
    assert suggestion("x", [], "The catalog has", "heads") == "The catalog has no heads"


def test_names_are_the_same_in_any_case_and_form() -> None:
    assert same_name("CAFE\u0301") == same_name("café")
    assert same_name("café") != same_name("cafe")


@given(name=st.text(max_size=6))
def test_the_same_name_stays_the_same(name: str) -> None:
    assert same_name(composed(name)) == same_name(name)


def test_bytes_that_are_no_text_stay_as_they_are() -> None:
    name = os.fsdecode(b"caf\xe9")
    assert composed(name) == name


def test_a_readable_name_keeps_its_spaces_and_its_form() -> None:
    assert readable(" cafe\u0301 ") == " cafe\u0301 "
    assert readable(os.fsdecode(b" caf\xe9\n")) == " café\ufffd"
