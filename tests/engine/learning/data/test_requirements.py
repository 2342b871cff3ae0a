"""What a data set must have to be learned from, and how all that it lacks is told."""

from __future__ import annotations

import pytest

from engine.errors import TrainingError
from engine.learning.data.requirements import (
    CategorySize,
    Problem,
    Requirements,
    chosen_categories,
    refuse,
    sizes_of,
)

SIZES = {
    "bed": CategorySize(20, 20),
    "lamp": CategorySize(1, 3, "a.jpg: it is damaged"),
    "sofa": CategorySize(0, 0),
    "table": CategorySize(4, 4),
}
ENOUGH = {name: SIZES[name] for name in ("bed", "table")}


def test_categories_with_enough_images_are_all_learned() -> None:
    assert chosen_categories("set", ENOUGH, Requirements()) == ({"bed", "table"}, [])


def test_all_categories_that_are_too_small_are_in_one_message() -> None:
    with pytest.raises(TrainingError) as caught:
        chosen_categories("set", SIZES, Requirements())
    assert caught.value.reason == (
        "the category 'lamp' has 1 usable picture of 3 (a.jpg: it is damaged); "
        "the category 'sofa' has 0 usable pictures"
    )
    assert caught.value.remedy.count("--min-images 2") == 1


def test_whatever_else_is_wrong_is_in_the_same_message() -> None:
    with pytest.raises(TrainingError) as caught:
        chosen_categories("set", SIZES, Requirements(), [Problem("it is upside down", "Turn it")])
    for part in ("it is upside down", "'lamp'", "'sofa'"):
        assert part in caught.value.reason
    assert all(part in caught.value.remedy for part in ("Turn it", "--min-images"))


@pytest.mark.parametrize(
    ("least", "left_out"),
    [(1, "2 usable pictures: lamp (1), sofa (0)"), (5, "5 usable pictures: lamp (1), sofa (0),")],
)
def test_small_categories_are_left_out_where_that_is_asked_for(least: int, left_out: str) -> None:
    chosen, [note] = chosen_categories("set", SIZES, Requirements(min_images=least))
    assert chosen == {name for name in ("bed", "table") if SIZES[name].usable >= least}
    assert left_out in note


def test_where_every_category_is_left_out_nothing_can_be_learned() -> None:
    with pytest.raises(TrainingError, match=r"no category has 50 usable pictures \(bed \(20\), "):
        chosen_categories("set", SIZES, Requirements(min_images=50))


def test_names_that_differ_in_case_do_not_matter_once_one_is_left_out() -> None:
    sizes = {"bed": CategorySize(9, 9), "Bed": CategorySize(1, 1)}
    assert chosen_categories("set", sizes, Requirements(min_images=2))[0] == {"bed"}


def test_copies_of_an_image_are_one_usable_image() -> None:
    sizes = sizes_of([("1", "bed"), ("1", "bed"), ("2", "bed"), ("1", "sofa")])
    assert sizes == {"bed": CategorySize(2, 3), "sofa": CategorySize(1, 1)}


def test_without_a_problem_nothing_is_refused() -> None:
    refuse("set", [])
