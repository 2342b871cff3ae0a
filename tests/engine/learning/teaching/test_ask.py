"""Which pictures are asked about."""

from __future__ import annotations

import numpy as np

from engine.learning.teaching.ask import AskOptions, most_uncertain, typical

HOW = AskOptions()


def _groups(sizes: list[int], dim: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors in groups of these sizes, and the group of each."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(len(sizes), dim))
    group = np.repeat(np.arange(len(sizes)), sizes)
    unit = centres[group] + 0.2 * rng.normal(size=(len(group), dim))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return unit.astype(np.float32), group


def test_a_picture_of_each_of_the_largest_groups_is_asked() -> None:
    unit, group = _groups([30, 40, 5, 50, 4])
    how = AskOptions(fewest_clusters=5)
    asked = typical(unit, np.arange(len(unit)), unit[:0], 3, how)
    assert set(group[asked]) == {0, 1, 3}


def test_groups_that_were_judged_come_last() -> None:
    unit, group = _groups([30, 40, 5, 50, 4])
    how = AskOptions(fewest_clusters=5)
    judged = np.flatnonzero((group == 3) | (group == 1))[[0, 60]]
    free = np.setdiff1d(np.arange(len(unit)), judged)
    asked = typical(unit, free, unit[judged], 3, how)
    assert group[asked].tolist()[0] == 0
    assert not set(asked) & set(judged)


def test_the_least_certain_are_asked_and_no_two_that_are_the_same() -> None:
    unit, _ = _groups([1] * 40)
    unit[1] = unit[0]
    scores = np.linspace(-4, 4, 40).astype(np.float32)
    scores[:2] = 0.0
    asked = most_uncertain(scores, unit, np.arange(40), 5, HOW)
    assert len(set(asked.tolist())) == 5
    assert len(set(asked.tolist()) & {0, 1}) == 1
    assert np.abs(scores[asked]).max() <= np.sort(np.abs(scores))[HOW.candidates * 5]


def test_of_what_is_all_the_same_as_many_are_asked() -> None:
    unit = np.repeat(_groups([1])[0], 10, axis=0)
    scores = np.zeros(10, np.float32)
    assert len(set(most_uncertain(scores, unit, np.arange(10), 4, HOW).tolist())) == 4


def test_where_nothing_is_free_nothing_is_asked() -> None:
    unit, _ = _groups([3])
    nothing = np.zeros(0, np.int64)
    assert len(most_uncertain(np.zeros(3, np.float32), unit, nothing, 4, HOW)) == 0
    assert len(typical(unit, nothing, unit[:1], 4, HOW)) == 0
