"""When two images are copies: by how far they stand out, and by their pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.search.duplicates.correlation import Miniature
from engine.search.duplicates.rules import Edited, SamePixels
from index.vectors.graph import STORED

cosines = st.floats(-1, 1, width=32)


def squares(number: int) -> Miniature:
    """Return the miniature of sixteen squares."""
    drawn = np.random.default_rng(number).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    return Miniature.of(Image.fromarray(drawn).resize((64, 64), Image.Resampling.NEAREST))


def row(*values: float) -> np.ndarray:
    """Return the cosines of an image's neighbours, best first, as many as there are."""
    return np.array([[*values, *[-1.0] * (STORED - len(values))]], np.float32)


def test_the_background_is_the_mean_beyond_the_ninth_neighbour() -> None:
    values = np.linspace(0.99, 0.7, STORED)
    assert Edited().background(row(*values))[0] == pytest.approx(values[9:20].mean(), abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 9])
def test_where_there_are_few_images_the_background_is_the_floor(count: int) -> None:
    assert Edited().background(row(*[0.99] * count))[0] == pytest.approx(Edited().floor)


def test_a_background_of_what_is_unlike_is_the_floor() -> None:
    assert Edited().background(row(*[0.1] * STORED))[0] == pytest.approx(Edited().floor)


def test_what_stands_out_of_its_background_may_be_a_copy() -> None:
    found = np.array([0.85, 0.85], np.float32)
    background = np.array([0.6, 0.85], np.float32)
    assert Edited().may_be(found, background, background).tolist() == [True, False]


def test_pixels_decide_between_two_of_one_cosine() -> None:
    one, other = squares(1), squares(2)
    assert Edited().are(0.85, 0.6, one, squares(1))
    assert not Edited().are(0.85, 0.6, one, other)


def test_a_file_that_cannot_be_read_counts_by_its_cosine() -> None:
    assert Edited().are_unseen(0.9, 0.6)
    assert not Edited().are_unseen(0.78, 0.6)
    assert SamePixels().are_unseen(0.995, 1.0)
    assert not SamePixels().are_unseen(0.98, 0.0)


def test_the_same_pixels_are_one_picture_in_any_crowd() -> None:
    rule, crowd = SamePixels(), np.array([1.0], np.float32)
    assert rule.may_be(np.array([0.99], np.float32), crowd, crowd).all()
    assert rule.are(0.99, 1.0, squares(1), squares(1))
    assert not rule.are(0.99, 1.0, squares(1), squares(2))


@pytest.mark.parametrize("rule", [Edited(), SamePixels()])
@given(cosine=cosines, one=st.floats(0, 1), other=st.floats(0, 1), slack=st.floats(0, 0.1))
def test_slack_lets_more_pairs_through(
    rule: Edited | SamePixels, cosine: float, one: float, other: float, slack: float
) -> None:
    pair = [np.array([value], np.float32) for value in (cosine, one, other)]
    assert rule.may_be(*pair, slack)[0] or not rule.may_be(*pair)[0]


@given(cosine=cosines, one=st.floats(0, 1), other=st.floats(0, 1))
def test_no_pair_below_the_least_cosine_may_be_a_copy(
    cosine: float, one: float, other: float
) -> None:
    for rule in (Edited(), SamePixels()):
        lowest = rule.background(np.full((1, STORED), -1, np.float32))[0]
        backgrounds = [np.array([max(lowest, value)], np.float32) for value in (one, other)]
        may_be = rule.may_be(np.array([cosine], np.float32), *backgrounds)[0]
        assert not may_be or cosine >= rule.least_cosine - 1e-6
