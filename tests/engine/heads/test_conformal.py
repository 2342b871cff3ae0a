"""Sets of categories that hold the right one as often as was promised."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import HeadError, UsageError
from engine.heads.classifier import Distribution
from engine.heads.conformal import Promise, promise, require_one_head, with_sets
from engine.heads.file import head_from_bytes, head_to_bytes
from engine.heads.head import Head
from engine.heads.record import Record
from engine.heads.results import Classification
from index.records import Floats

MakeHead = Callable[..., Head]


def calibrated(make_head: MakeHead, probability: Floats) -> Head:
    """Return a head that gave its held-out pictures' labels these probabilities."""
    ascending = np.sort(probability).astype(np.float32)
    return replace(make_head(), record=Record(label_probability=ascending))


def sets_of(probability: list[list[float]], promised: Promise) -> list[Classification]:
    """Return the answers for these probabilities of a, b and c."""
    rows = np.array(probability, np.float32)
    names = [("furniture", name) for name in "abc"]
    distribution = Distribution(names, rows, np.zeros(len(rows), np.bool_))
    return with_sets(distribution.ranked(["x.jpg"] * len(rows), 1), distribution, promised)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95, 0.98])
@pytest.mark.parametrize("images", [10, 19, 20, 99, 100, 257])
def test_the_threshold_is_the_corrected_quantile_of_scores(
    make_head: MakeHead, images: int, coverage: float
) -> None:
    probability = np.random.default_rng(images).uniform(size=images).astype(np.float32)
    found = promise(calibrated(make_head, probability), coverage)
    scores = sorted(1 - float(each) for each in probability)
    # In hundredths, so that the rank is that of the decimal number.
    rank = -(-(images + 1) * round(coverage * 100) // 100)
    worst = scores[rank - 1] if rank <= images else math.inf
    assert 1 - found.least == pytest.approx(min(worst, 1.0), abs=1e-6)


def test_sets_hold_the_right_category_as_often_as_promised_and_hardly_oftener(
    make_head: MakeHead,
) -> None:
    rng = np.random.default_rng(5)
    right = []
    for _ in range(4000):
        # One more picture than the head was calibrated by: any of them could have been left out.
        probability = rng.beta(3, 1, size=40)
        found = promise(calibrated(make_head, probability[1:]), 0.9)
        right.append(np.float32(probability[0]) >= found.least)
    # 0.9 at least on average, and less than 1 / 40 above; 0.015 is three standard errors.
    assert 0.9 - 0.015 <= np.mean(right) <= 0.9 + 1 / 40 + 0.015


@pytest.mark.parametrize("coverage", [0.5, 0.9, 0.95, 0.98, 0.99])
def test_so_many_pictures_as_it_says_are_the_fewest(make_head: MakeHead, coverage: float) -> None:
    fewest = Promise(coverage, 0.0, 0).fewest
    assert fewest == round(1 / (1 - coverage)) - 1
    some = np.linspace(0.1, 0.9, fewest)
    enough = promise(calibrated(make_head, some), coverage)
    too_few = promise(calibrated(make_head, some[1:]), coverage)
    assert (enough.shortage, enough.least) == (None, pytest.approx(0.1))
    assert too_few.least == 0
    assert f"takes {fewest} held-out pictures" in str(too_few.shortage)


def test_with_too_few_pictures_every_category_is_in_the_set(make_head: MakeHead) -> None:
    found = promise(calibrated(make_head, np.full(18, 0.99)), 0.95)
    (answer,) = sets_of([[0.0, 1.0, 0.0]], found)
    assert set(answer.set or ()) == {"a", "b", "c"}


def test_a_head_without_held_out_pictures_answers_with_every_category(make_head: MakeHead) -> None:
    found = promise(calibrated(make_head, np.empty(0)), 0.95)
    assert (found.least, found.images) == (0, 0)
    assert found.shortage is not None


def test_a_set_holds_what_is_likely_enough_the_likeliest_first() -> None:
    one, several, none = sets_of(
        [[0.05, 0.9, 0.05], [0.3, 0.2, 0.5], [0.24, 0.24, 0.24]], Promise(0.9, 0.25, 50)
    )
    assert (one.set, several.set, none.set) == (("b",), ("c", "a"), ())
    assert one.coverage == 0.9


def test_a_probability_as_small_as_the_threshold_is_in_the_set() -> None:
    least = float(np.float32(0.3))
    (answer,) = sets_of([[0.7, 0.3, 0.0]], Promise(0.9, least, 50))
    assert answer.set == ("a", "b")


@pytest.mark.parametrize("record", [None, Record()])
def test_a_head_of_an_older_release_must_be_trained_again(
    make_head: MakeHead, record: Record | None
) -> None:
    with pytest.raises(HeadError, match="Train it again"):
        promise(replace(make_head(), record=record), 0.9)


@pytest.mark.parametrize("name", [None, "all", "imagenet"])
def test_a_promise_needs_one_head(name: str | None) -> None:
    with pytest.raises(UsageError, match="--head NAME"):
        require_one_head(name)


def test_a_promise_is_the_same_after_a_head_went_through_its_file(make_head: MakeHead) -> None:
    head = calibrated(make_head, np.random.default_rng(0).uniform(size=60))
    assert promise(head_from_bytes(head_to_bytes(head), "x"), 0.9) == promise(head, 0.9)
