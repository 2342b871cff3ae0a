"""Rounds of a comparison: every method learns from the same splits, within a budget of time."""

from __future__ import annotations

import time

import numpy as np
import pytest

from engine.learning.compare.comparison import run_rounds
from engine.learning.compare.method import Learned, Method
from engine.learning.compare.options import CompareOptions
from engine.learning.data.examples import Examples
from engine.learning.data.split import Split
from engine.progress import SILENT
from index.records import Vectors
from tests.support.spread import SAME_CONTENT

FOREVER = float("inf")


def some_examples(copies: int) -> Examples:
    """Return twelve different images of each of three categories, and copies of each."""
    count = 36 * copies
    vectors = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    return Examples(
        hashes=tuple(f"{number % 36:064}" for number in range(count)),
        paths=tuple(f"{number}.jpg" for number in range(count)),
        categories=("bed", "chair", "lamp"),
        labels=np.arange(count) % 3,
        vectors=Vectors.of(vectors),
        image=np.arange(count),
        view=np.zeros(count, np.int64),
        copies=SAME_CONTENT,
    )


class Watching:
    """A method that learns nothing and remembers what it was given."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.splits: list[Split] = []
        self.left: list[float] = []
        self.method = Method("watching", "frozen", self.learn)
        self._seconds = seconds

    def learn(self, split: Split, seed: int, deadline: float) -> Learned:
        """Remember."""
        self.splits.append(split)
        self.left.append(deadline - time.monotonic())
        time.sleep(self._seconds)
        return Learned(0.5, [], 0.1, 7)


def test_all_methods_learn_from_the_same_splits_each_round_from_another() -> None:
    one, other = Watching(), Watching()
    rounds = run_rounds(
        [one.method, other.method],
        some_examples(1),
        CompareOptions(repeats=3),
        FOREVER,
        SILENT,
    )
    assert [len(learned) for learned in rounds] == [2, 2, 2]
    for mine, others in zip(one.splits, other.splits, strict=True):
        assert mine is others
    assert len({split.test.tobytes() for split in one.splits}) == 3


@pytest.mark.parametrize("copies", [1, 3])
def test_no_image_and_no_copy_of_it_is_in_two_parts_of_a_split(copies: int) -> None:
    examples, watching = some_examples(copies), Watching()
    run_rounds([watching.method], examples, CompareOptions(test=0.25), FOREVER, SILENT)
    for split in watching.splits:
        parts = [split.train, split.validation, split.test]
        assert sorted(np.concatenate(parts)) == list(range(36 * copies))
        contents = [{examples.hashes[position] for position in part} for part in parts]
        assert [len(each) for each in contents] == [21, 6, 9]
        assert all(set(examples.labels[part]) == {0, 1, 2} for part in parts)


def test_what_is_left_of_the_budget_is_shared_among_those_to_come() -> None:
    methods = [Watching() for _ in range(4)]
    rounds = run_rounds(
        [each.method for each in methods],
        some_examples(1),
        CompareOptions(repeats=1),
        time.monotonic() + 1200,
        SILENT,
    )
    assert len(rounds) == 1
    left = [each.left[0] for each in methods]
    assert left == pytest.approx([300, 400, 600, 1200], abs=40)


def test_a_round_that_would_outlast_the_budget_is_not_begun() -> None:
    lasting = Watching(seconds=0.2)
    rounds = run_rounds(
        [lasting.method],
        some_examples(1),
        CompareOptions(repeats=9),
        time.monotonic() + 0.3,
        SILENT,
    )
    assert len(rounds) == len(lasting.splits) < 9
