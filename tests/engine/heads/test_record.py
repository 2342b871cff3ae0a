from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import HeadFormatError
from engine.heads.file import head_from_bytes, head_to_bytes
from engine.heads.head import Head
from engine.heads.numerics import log_softmax
from engine.heads.record import TOP, UNKNOWN, Learned, Record, held_out_record, versions

PATHS = ("/photos/0.jpg", "/photos/a\n😀.jpg", "/photos/\udcff.jpg")
HASHES = ["ab" * 32, "0" * 64, "f0" * 32]


@pytest.fixture
def record() -> Record:
    rng = np.random.default_rng(0)
    log_p = log_softmax(rng.normal(size=(40, 3)).astype(np.float32))
    held = held_out_record(
        ("bed", "chair", "sofa"),
        log_p,
        1.5,
        rng.random(40) < 0.1,
        rng.integers(0, 3, 40),
        [f"/photos/{n}.jpg" for n in range(40)],
    )
    learned = Learned.of(HASHES, np.array([0, 1, 2]), ("original", "mirror"), PATHS)
    return Record("/photos", {"lr": 0.1}, versions(), {"fit": 1.0}, held, learned)


def test_a_record_comes_back_from_the_file_as_it_was(
    make_head: Callable[..., Head], record: Record
) -> None:
    head = replace(make_head(), record=record)

    read = head_from_bytes(head_to_bytes(head), "x").record

    assert read is not None and read.held_out is not None and record.held_out is not None
    assert (read.data, read.settings, read.versions) == ("/photos", {"lr": 0.1}, versions())
    assert read.held_out.mistakes == record.held_out.mistakes
    assert read.held_out.shown == record.held_out.shown
    for name in ("labels", "answers", "confidence", "raw_confidence"):
        assert np.array_equal(getattr(read.held_out, name), getattr(record.held_out, name))
    assert read.learned is not None
    assert read.learned.hexadecimal() == HASHES
    assert read.learned.paths == PATHS


def test_the_surest_mistakes_come_first_and_name_at_most_five_categories(record: Record) -> None:
    assert record.held_out is not None
    tops = [each.top for each in record.held_out.mistakes]

    assert all(
        top[0][0] != each.label for top, each in zip(tops, record.held_out.mistakes, strict=True)
    )
    assert [top[0][1] for top in tops] == sorted((top[0][1] for top in tops), reverse=True)
    assert all(len(top) <= TOP for top in tops)


def test_what_was_rejected_has_no_answer_and_is_no_mistake() -> None:
    log_p = log_softmax(np.array([[5, 0], [0, 5], [0, 5]], np.float32))
    rejected = np.array([False, False, True])

    held = held_out_record(("bed", "sofa"), log_p, 1.0, rejected, np.array([0, 0, 0]), list("abc"))

    assert held.answers.tolist() == [0, 1, UNKNOWN]
    assert [each.path for each in held.mistakes] == ["b"]


def test_a_record_that_does_not_fit_its_head_is_refused(
    make_head: Callable[..., Head], record: Record
) -> None:
    head = replace(make_head(outputs=2), record=record)

    with pytest.raises(HeadFormatError, match="category that is not there"):
        head_from_bytes(head_to_bytes(head), "x")


def test_images_whose_place_is_not_known_count_but_are_not_shown() -> None:
    log_p = log_softmax(np.array([[0, 5], [0, 5], [5, 0]], np.float32))
    right = np.array([False, False, False])

    held = held_out_record(("a", "b"), log_p, 1.0, right, np.array([0, 0, 0]), ["", "x.jpg", ""])

    assert held.answers.tolist() == [1, 1, 0]
    assert [each.path for each in (*held.mistakes, *held.shown)] == ["x.jpg", "x.jpg"]
    none = held_out_record(("a", "b"), log_p, 1.0, right, np.array([0, 0, 0]), [])
    assert (none.mistakes, none.shown) == ((), ())


def test_the_places_of_very_many_images_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.heads.record.MOST_PATHS", 2)
    assert Learned.of(HASHES, np.array([0, 1, 2]), (), PATHS).paths == ()
