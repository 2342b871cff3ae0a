"""What is told of answers on test images."""

from __future__ import annotations

import numpy as np
import pytest

from engine.heads.numerics import softmax
from engine.heads.record import UNKNOWN, Answers
from engine.learning.measure import TOP, answers_on


def answered(
    logits: list[list[float]],
    labels: list[int],
    paths: list[str],
    rejected: list[bool] | None = None,
) -> Answers:
    """Return the answers of a head of these logits."""
    probability = softmax(np.array(logits, np.float32))
    left_out = np.array(rejected or [False] * len(labels))
    categories = tuple("abcdefgh"[: probability.shape[1]])
    return answers_on(
        categories, probability, probability.max(axis=1), left_out, np.array(labels), paths
    )


@pytest.fixture
def drawn() -> Answers:
    """Answers at random for forty images."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(40, 7)).tolist()
    return answered(logits, rng.integers(0, 7, 40).tolist(), [f"{n}.jpg" for n in range(40)])


def test_the_surest_mistakes_come_first_and_name_at_most_five_categories(drawn: Answers) -> None:
    tops = [each.top for each in drawn.mistakes]
    assert all(top[0][0] != each.label for top, each in zip(tops, drawn.mistakes, strict=True))
    assert [top[0][1] for top in tops] == sorted((top[0][1] for top in tops), reverse=True)
    assert {len(top) for top in tops} == {TOP}


def test_images_shown_are_at_even_distances(drawn: Answers) -> None:
    assert [each.path for each in drawn.shown] == [f"{n}.jpg" for n in (0, 8, 16, 23, 31, 39)]


def test_what_was_rejected_has_no_answer_and_is_no_mistake() -> None:
    answers = answered([[5, 0], [0, 5], [0, 5]], [0, 0, 0], ["a", "b", "c"], [False, False, True])
    assert answers.answers.tolist() == [0, 1, UNKNOWN]
    assert [each.path for each in answers.mistakes] == ["b"]


def test_the_likeliest_category_is_noted_of_what_was_rejected_too() -> None:
    answers = answered([[5, 0], [0, 5]], [0, 0], ["a", "b"], [True, True])
    assert answers.likeliest is not None
    assert (answers.answers.tolist(), answers.likeliest.tolist()) == ([UNKNOWN, UNKNOWN], [0, 1])


def test_images_whose_path_is_not_known_count_but_are_not_told_of() -> None:
    logits = [[0.0, 5.0], [0.0, 5.0], [5.0, 0.0]]
    answers = answered(logits, [0, 0, 0], ["", "x.jpg", ""])
    assert answers.answers.tolist() == [1, 1, 0]
    assert [each.path for each in (*answers.mistakes, *answers.shown)] == ["x.jpg", "x.jpg"]
    none = answered(logits, [0, 0, 0], ["", "", ""])
    assert (none.mistakes, none.shown) == ((), ())
