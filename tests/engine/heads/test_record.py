"""How a head came to be, as part of its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import HeadFormatError
from engine.heads.file import head_from_bytes, head_to_bytes
from engine.heads.head import Head
from engine.heads.record import (
    AnsweredImage,
    Answers,
    Learned,
    Record,
    portable,
    record_from,
    record_header,
    record_tensors,
    versions,
)

PATHS = ("/photos/0.jpg", "/photos/a\n😀.jpg", "/photos/\udcff.jpg")
HASHES = ["ab" * 32, "0" * 64, "f0" * 32]


@pytest.fixture
def record() -> Record:
    """A record with all that it can hold."""
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, (2, 40)).astype(np.float32)
    told = AnsweredImage("/photos/1.jpg", "bed", (("sofa", 0.75), ("bed", 0.25)))
    answers = Answers(
        rng.integers(0, 3, 40),
        rng.integers(-1, 3, 40),
        *confidence,
        (told,),
        (told, told),
        rng.integers(0, 3, 40),
    )
    learned = Learned.of(HASHES, np.array([0, 1, 2]), ("original", "mirror"), PATHS)
    return Record("/photos", {"lr": 0.1}, versions(), {"fit": 1.0}, answers, learned, folds=5)


def test_a_record_comes_back_from_the_file_as_it_was(
    make_head: Callable[..., Head], record: Record
) -> None:
    head = replace(make_head(), record=record)

    read = head_from_bytes(head_to_bytes(head), "x").record

    assert read is not None and read.answers is not None and record.answers is not None
    assert (read.data, read.settings, read.versions) == ("/photos", {"lr": 0.1}, versions())
    assert read.answers.mistakes == record.answers.mistakes
    assert read.answers.shown == record.answers.shown
    for name in ("labels", "answers", "confidence", "raw_confidence", "likeliest"):
        assert np.array_equal(getattr(read.answers, name), getattr(record.answers, name))
    assert read.learned is not None
    assert read.learned.hexadecimal() == HASHES
    assert read.learned.paths == PATHS


def test_a_record_that_does_not_fit_its_head_is_refused(
    make_head: Callable[..., Head], record: Record
) -> None:
    head = replace(make_head(outputs=2), record=record)

    with pytest.raises(HeadFormatError, match="category that is not there"):
        head_from_bytes(head_to_bytes(head), "x")


def test_the_paths_of_very_many_images_are_not_stored() -> None:
    assert Learned.of(HASHES, np.array([0, 1, 2]), (), PATHS, most_paths=2).paths == ()


def test_a_record_of_an_older_release_says_so(
    record: Record,
) -> None:
    header = {
        name: value
        for name, value in record_header(record).items()
        if name not in ("version", "folds")
    }
    old = record_from(header, record_tensors(record), 3)
    assert (old.version, old.folds) == (1, 1)
    assert "version" not in record_header(old)


def test_a_record_says_how_its_answers_were_made(record: Record) -> None:
    header = record_header(record)
    back = record_from(header, record_tensors(record), 3)
    assert (back.version, back.folds, back.imported) == (2, 5, False)


def test_a_record_without_likeliest_categories_counts_by_its_answers(record: Record) -> None:
    assert record.answers is not None
    old = replace(record, answers=replace(record.answers, likeliest=None))
    back = record_from(record_header(old), record_tensors(old), 3)
    assert back.answers is not None and back.answers.likeliest is None
    assert np.array_equal(back.answers.counted, record.answers.answers)
    assert np.array_equal(record.answers.counted, record.answers.likeliest)


@pytest.mark.parametrize("likeliest", [np.full(40, -1), np.full(40, 3), np.zeros(39, np.int64)])
def test_likeliest_categories_that_cannot_be_are_refused(
    make_head: Callable[..., Head], record: Record, likeliest: np.ndarray
) -> None:
    assert record.answers is not None
    answers = replace(record.answers, likeliest=likeliest)
    head = replace(make_head(), record=replace(record, answers=answers))
    with pytest.raises(HeadFormatError, match="likeliest"):
        head_from_bytes(head_to_bytes(head), "x")


@pytest.mark.parametrize(
    "probability",
    [[0.5, 0.4], [-0.5, 0.5], [0.5, 1.5], [0.5, np.nan], [[0.5, 0.6]]],
    ids=["descending", "negative", "above 1", "NaN", "of two dimensions"],
)
def test_label_probabilities_that_cannot_be_are_refused(
    make_head: Callable[..., Head], record: Record, probability: list[float]
) -> None:
    values = np.array(probability, np.float32)
    head = replace(make_head(), record=replace(record, label_probability=values))
    with pytest.raises(HeadFormatError, match="label_probability"):
        head_from_bytes(head_to_bytes(head), "x")


def test_a_head_keeps_its_label_probabilities_elsewhere(record: Record) -> None:
    values = np.array([0.25, 0.5, 1.0], np.float32)
    there = portable(replace(record, label_probability=values))
    back = record_from(record_header(there), record_tensors(there), 3)
    assert back.label_probability is not None
    assert back.label_probability.tolist() == values.tolist()
