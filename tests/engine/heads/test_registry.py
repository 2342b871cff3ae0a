"""Heads by name, and as files of their own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.errors import HeadError, HeadFormatError, UnknownHeadError, UsageError
from engine.heads.classifier import BUILT_IN, BuiltIn
from engine.heads.head import Head
from engine.heads.registry import (
    ALL,
    check_known,
    check_name,
    distribution,
    find_head,
    head_info,
    read_head,
    write_head,
)
from index.records import Vectors

MakeHead = Callable[..., Head]


@pytest.mark.parametrize("name", ["furniture", "Möbel 2024", "a", "v1.2_b-c", "x" * 100, "家具"])
def test_ordinary_names_are_taken(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["all", "imagenet", "unknown"])
def test_names_of_the_engines_own_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="belongs to the engine"):
        check_name(name)


@pytest.mark.parametrize(
    "name", ["", " ", ".hidden", "-x", "a/b", "a\\b", "a\nb", "a\n", "a\0", "x" * 101, "../up"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no name for a head"):
        check_name(name)


@pytest.mark.parametrize("name", [None, ALL, BUILT_IN, "furniture"])
def test_heads_and_what_stands_for_them_are_known(make_head: MakeHead, name: str | None) -> None:
    check_known([make_head()], name)


def test_an_unknown_head_is_answered_with_those_there_are(make_head: MakeHead) -> None:
    with pytest.raises(UnknownHeadError, match=r"chairs: .* The catalog has furniture;"):
        find_head([make_head()], "chairs")


def test_an_unknown_head_among_none_is_answered_with_how_to_make_one() -> None:
    with pytest.raises(UnknownHeadError, match=r"none yet; `engine train FOLDER --head chairs`"):
        find_head([], "chairs")


def test_a_name_chooses_who_answers(
    make_head: MakeHead, small_built_in: BuiltIn, make_vectors: Callable[[int, int], Vectors]
) -> None:
    heads, vectors = [make_head(1, name="one"), make_head(2, name="two")], make_vectors(2, 1)
    sources = {
        name: {source for source, _ in distribution(small_built_in, heads, name, vectors).names}
        for name in (None, ALL, BUILT_IN, "two")
    }
    everyone = {BUILT_IN, "one", "two"}
    assert sources == {None: everyone, ALL: everyone, BUILT_IN: {BUILT_IN}, "two": {"two"}}


def test_a_head_at_a_glance_shows_what_it_is(make_head: MakeHead) -> None:
    info = head_info(make_head(hidden=(8,)))
    assert (info.name, info.layers, info.images) == ("furniture", [12, 8, 3], 30)
    assert info.validation_accuracy == 0.9


def test_a_head_read_from_its_file_is_the_one_written(make_head: MakeHead, tmp_path: Path) -> None:
    head = make_head()
    write_head(head, tmp_path / "a.safetensors")
    back = read_head(tmp_path / "a.safetensors")
    assert back.name == "furniture"
    assert np.array_equal(back.gate.weight, head.gate.weight)


def test_a_head_can_be_read_under_another_name(make_head: MakeHead, tmp_path: Path) -> None:
    write_head(make_head(), tmp_path / "a.safetensors")
    assert read_head(tmp_path / "a.safetensors", "möbel").name == "möbel"


def test_a_head_is_not_read_under_a_name_of_the_engines_own(
    make_head: MakeHead, tmp_path: Path
) -> None:
    write_head(make_head(name="imagenet"), tmp_path / "a.safetensors")
    with pytest.raises(UsageError, match="belongs to the engine"):
        read_head(tmp_path / "a.safetensors")


def test_writing_leaves_no_other_file_behind(make_head: MakeHead, tmp_path: Path) -> None:
    write_head(make_head(), tmp_path / "a.safetensors")
    assert os.listdir(tmp_path) == ["a.safetensors"]


@pytest.mark.parametrize("place", ["missing/a.safetensors", "file/a.safetensors", "folder"])
def test_a_place_that_cannot_be_written_is_named(
    make_head: MakeHead, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(HeadError, match="cannot be written"):
        write_head(make_head(), tmp_path / place)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_a_missing_head_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HeadError, match=r"gone\.safetensors: it cannot be read"):
        read_head(tmp_path / "gone.safetensors")


def test_a_file_that_is_no_head_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"not a head")
    with pytest.raises(HeadFormatError, match=r"a\.safetensors: this is no head file"):
        read_head(tmp_path / "a.safetensors")
