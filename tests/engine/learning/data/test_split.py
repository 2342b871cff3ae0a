"""Train, validation and test parts: no image, and no copy of one, is in two of them."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.learning.data.split import (
    Split,
    SplitOptions,
    draw_folds,
    draw_split,
    measuring_splits,
    split_without,
)
from index.records import Ids

MANY = SplitOptions(few=0)
FEW = SplitOptions(few=1000)


def data_set(contents: list[tuple[int, int]]) -> tuple[Ids, Ids]:
    """Return labels and groups of images, each given by its label and its content."""
    first: dict[int, int] = {}
    groups = [first.setdefault(content, at) for at, (_, content) in enumerate(contents)]
    return np.array([label for label, _ in contents], np.int64), np.array(groups, np.int64)


CONTENTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), min_size=1, max_size=60)
DATA = CONTENTS.map(data_set)


def drawn(data: tuple[Ids, Ids], options: SplitOptions, seed: int = 0) -> list[Split]:
    return measuring_splits(*data, 0.2, options, seed)


@given(data=DATA, options=st.sampled_from([FEW, MANY]), seed=st.integers(0, 9))
def test_every_image_is_in_exactly_one_part(
    data: tuple[Ids, Ids], options: SplitOptions, seed: int
) -> None:
    for split in drawn(data, options, seed):
        parts = np.concatenate([split.train, split.validation, split.test])
        assert sorted(parts.tolist()) == list(range(len(data[0])))


@given(data=DATA, options=st.sampled_from([FEW, MANY]), seed=st.integers(0, 9))
def test_copies_of_an_image_are_on_the_same_side(
    data: tuple[Ids, Ids], options: SplitOptions, seed: int
) -> None:
    for split in drawn(data, options, seed):
        parts = [set(data[1][part]) for part in (split.train, split.validation, split.test)]
        assert sum(map(len, parts)) == len(set.union(*parts))


@given(data=DATA, seed=st.integers(0, 9))
def test_few_images_are_each_tested_once_where_there_is_another(
    data: tuple[Ids, Ids], seed: int
) -> None:
    labels, groups = data
    own = np.unique(groups)
    several = {label for label, count in Counter(labels[own].tolist()).items() if count > 1}
    tested = np.concatenate([split.test for split in drawn(data, FEW, seed)])
    expected = [at for at in range(len(labels)) if labels[groups[at]] in several]
    assert sorted(tested.tolist()) == expected


@given(data=DATA, options=st.sampled_from([FEW, MANY]), seed=st.integers(0, 9))
def test_every_label_of_the_first_of_each_copies_is_learned(
    data: tuple[Ids, Ids], options: SplitOptions, seed: int
) -> None:
    labels, groups = data
    for split in drawn(data, options, seed):
        assert set(labels[split.train]) >= set(labels[np.unique(groups)])


@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=5), seed=st.integers(0, 9))
def test_a_part_has_its_share_of_each_label(counts: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    split = draw_split(labels, np.arange(len(labels)), validation=0.25, test=0.2, seed=seed)
    for label, count in enumerate(counts):
        test = min(max(1, round(0.2 * count)), count - 1)
        validation = min(max(1, round(0.25 * (count - test))), count - test - 1)
        parts = [int((labels[part] == label).sum()) for part in (split.test, split.validation)]
        assert parts == [test, validation]


def test_a_share_of_nothing_gives_no_part() -> None:
    labels = np.zeros(20, np.int64)
    split = draw_split(labels, np.arange(20), validation=0.0, test=0.0, seed=0)
    assert (len(split.train), len(split.validation), len(split.test)) == (20, 0, 0)


def test_parts_of_very_many_images_are_no_larger_than_it_takes() -> None:
    labels = np.arange(5000) % 5
    (split,) = measuring_splits(labels, np.arange(5000), 0.2, SplitOptions(few=10, most=100), 0)
    assert (len(split.validation), len(split.test)) == (100, 100)


def test_the_same_seed_gives_the_same_splits() -> None:
    data = data_set([(number % 3, number) for number in range(60)])
    one, again, other = (drawn(data, FEW, seed) for seed in (1, 1, 2))
    assert [split.test.tolist() for split in one] == [split.test.tolist() for split in again]
    assert [split.test.tolist() for split in one] != [split.test.tolist() for split in other]


@given(data=DATA, count=st.integers(2, 6))
def test_each_label_is_spread_evenly_over_folds(data: tuple[Ids, Ids], count: int) -> None:
    labels, groups = data
    fold_of = draw_folds(labels, groups, count, 0)
    own = np.unique(groups)
    for label in np.unique(labels[own]):
        folds = fold_of[own[labels[own] == label]].tolist()
        if len(folds) > 1:
            sizes = Counter(folds)
            assert max(sizes.values()) - min(sizes.values()) <= 1
            assert len(sizes) == min(len(folds), fold_of.max() + 1)


def test_several_folds_can_be_left_out_together() -> None:
    labels, groups = data_set([(number % 2, number) for number in range(50)])
    fold_of = draw_folds(labels, groups, 5, 0)
    split = split_without(fold_of, (1, 3), labels, groups, 0.2, 0)
    assert split.test.tolist() == np.flatnonzero(np.isin(fold_of, (1, 3))).tolist()
    assert not np.isin(fold_of[split.train], (1, 3)).any()
