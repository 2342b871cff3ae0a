"""Head files written to disk, and read from disk though they may come from anywhere."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import HeadError, HeadFormatError, UsageError
from engine.heads.exchange import FileLimits, read_head, write_head
from engine.heads.file import head_to_bytes
from engine.heads.head import Head
from engine.heads.record import AnsweredImage, Answers, Learned, Record, portable
from tests.support.heads import unchecked

MakeHead = Callable[..., Head]
# What tells of the machine that the head of these tests was trained on.
MACHINE = re.compile(rb"javascript|private|home")
# As much as the head of these tests holds.
SMALL = FileLimits(file=5000, header=2000, text=100, items=20, depth=4)


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
    (tmp_path / "a.safetensors").write_bytes(unchecked(make_head(name="imagenet")))
    with pytest.raises(UsageError, match="belongs to the engine"):
        read_head(tmp_path / "a.safetensors")


def test_writing_leaves_no_other_file_behind(make_head: MakeHead, tmp_path: Path) -> None:
    write_head(make_head(), tmp_path / "a.safetensors")
    assert os.listdir(tmp_path) == ["a.safetensors"]


@pytest.mark.parametrize("name", ["missing/a.safetensors", "file/a.safetensors", "folder"])
def test_a_file_that_cannot_be_written_is_named(
    make_head: MakeHead, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(HeadError, match="cannot be written"):
        write_head(make_head(), tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_a_missing_head_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HeadError, match=r"gone\.safetensors: it cannot be read"):
        read_head(tmp_path / "gone.safetensors")


def test_a_file_that_is_no_head_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"not a head")
    with pytest.raises(HeadFormatError, match=r"a\.safetensors: this is no head file"):
        read_head(tmp_path / "a.safetensors")


@pytest.fixture
def recorded(make_head: MakeHead) -> Head:
    """A head with all that it can hold, as if somebody else had made it."""
    shown = AnsweredImage("javascript:alert(1)", "furniture 0", (("furniture 1", 0.9),))
    answers = Answers(
        np.array([0, 1]),
        np.array([1, 1]),
        np.array([0.9, 0.8], np.float32),
        np.array([0.7, 0.6], np.float32),
        (shown,),
        (shown, AnsweredImage("/home/me/private.png", "furniture 1", ())),
    )
    learned = Learned.of(["ab" * 32], np.array([0]), ("original",), ["/home/me/private.png"])
    record = Record("/home/me/photos", {"lr": 0.1}, {"numpy": "2"}, {"fit": 1.0}, answers, learned)
    return replace(make_head(), record=record, history=({"epoch": 1.0, "loss": 0.5},))


@pytest.mark.parametrize("by", ["who writes it", "who reads it"])
def test_paths_of_a_head_go_to_no_other_machine(recorded: Head, tmp_path: Path, by: str) -> None:
    file = tmp_path / "a.safetensors"
    if by == "who writes it":
        write_head(recorded, file)
        assert not MACHINE.search(file.read_bytes())
    else:
        # As releases wrote it that did not drop them, and as a stranger may.
        file.write_bytes(unchecked(recorded))
        assert MACHINE.search(file.read_bytes())
    back = read_head(file)
    record = back.record
    assert record is not None and record.answers is not None and record.learned is not None
    assert (record.answers.mistakes, record.answers.shown, record.learned.paths) == ((), (), ())
    assert record.imported
    assert not MACHINE.search(head_to_bytes(back))


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        ("/home/me/photos", "photos"),
        ("/home/me/photos/", "photos"),
        ("C:\\Users\\me\\photos", "photos"),
        ("labels of the catalog", "labels of the catalog"),
        ("/home/me/photos, then labels of the catalog", "photos, then labels of the catalog"),
        ("/home/me/a, then /home/me/b", "a, then b"),
        ("", ""),
    ],
)
def test_of_the_folder_a_head_learned_from_its_name_is_handed_on(data: str, kept: str) -> None:
    assert portable(Record(data)).data == kept


def test_figures_and_contents_of_a_head_file_stay(recorded: Head, tmp_path: Path) -> None:
    write_head(recorded, tmp_path / "a.safetensors")
    record = read_head(tmp_path / "a.safetensors").record
    assert record is not None and record.answers is not None and record.learned is not None
    assert record.answers.answers.tolist() == [1, 1]
    assert record.learned.hexadecimal() == ["ab" * 32]
    assert (record.data, record.settings) == ("photos", {"lr": 0.1})


def test_a_head_within_the_limits_is_read(recorded: Head, tmp_path: Path) -> None:
    write_head(recorded, tmp_path / "a.safetensors")
    assert read_head(tmp_path / "a.safetensors", limits=SMALL).name == "furniture"


def with_record(head: Head, **changes: Any) -> Head:
    assert head.record is not None
    return replace(head, record=replace(head.record, **changes))


HOSTILE: dict[str, Callable[[Head], Head]] = {
    "control characters in a category": lambda head: replace(
        head, categories=("a\x1b[2J", "b", "c")
    ),
    "control characters in the folder": lambda head: with_record(head, data="/photos\r\n"),
    "control characters in a setting": lambda head: with_record(head, settings={"a\0": 1}),
    "a lone surrogate": lambda head: replace(head, categories=("a\udcff", "b", "c")),
    "a category without a name": lambda head: replace(head, categories=("", "b", "c")),
    "two categories of one name": lambda head: replace(head, categories=("a", "a", "c")),
    "a long text": lambda head: replace(head, categories=("a" * 101, "b", "c")),
    "a long history": lambda head: replace(head, history=({"loss": 1.0},) * 21),
    "many settings": lambda head: with_record(head, settings={str(n): n for n in range(21)}),
    "settings nested deeply": lambda head: with_record(head, settings={"a": [[[[[1]]]]]}),
    "an infinite metric": lambda head: replace(head, metrics={"images": float("inf")}),
    "a huge metric": lambda head: replace(head, metrics={"images": 10**400}),
    "a metric that is a text": lambda head: replace(head, metrics={"images": "many"}),
    "a text that runs backwards": lambda head: replace(
        head, categories=("gpj.\u202eexe", "b", "c")
    ),
    "an isolate without end": lambda head: with_record(head, data="\u2066photos"),
    "a large file": lambda head: with_record(
        head, learned=Learned.of(["ab" * 32] * 100, np.zeros(100, np.int64))
    ),
    "a large header": lambda head: with_record(
        head, settings={str(number): "a" * 99 for number in range(20)}
    ),
}


@pytest.mark.parametrize("harm", HOSTILE)
def test_a_head_that_holds_what_none_may_is_refused(
    recorded: Head, tmp_path: Path, harm: str
) -> None:
    (tmp_path / "a.safetensors").write_bytes(unchecked(HOSTILE[harm](recorded)))
    with pytest.raises(HeadFormatError):
        read_head(tmp_path / "a.safetensors", limits=SMALL)


def test_of_a_huge_file_no_more_is_read_than_may_be(tmp_path: Path) -> None:
    with (tmp_path / "a.safetensors").open("wb") as file:
        file.truncate(200 << 30)
    with pytest.raises(HeadFormatError, match="larger than"):
        read_head(tmp_path / "a.safetensors", limits=SMALL)


def test_nothing_measured_is_no_harm(make_head: MakeHead, tmp_path: Path) -> None:
    head = replace(make_head(), metrics={"validation_accuracy": float("nan")})
    write_head(head, tmp_path / "a.safetensors")
    assert np.isnan(read_head(tmp_path / "a.safetensors").metrics["validation_accuracy"])
