"""Numbers and names in sentences."""

from __future__ import annotations

from engine.learning.data.phrases import count, listed


def test_a_number_of_things_is_in_the_plural_where_it_is_not_one() -> None:
    assert [count(1, "picture"), count(2000, "picture")] == ["1 picture", "2,000 pictures"]
    assert count(2, "category", "categories") == "2 categories"


def test_names_beyond_the_most_are_a_number() -> None:
    assert listed(["a", "b", "c"], most=3) == "a, b, c"
    assert listed(["a", "b", "c"], most=2) == "a, b and 1 more"
