"""Choosing among labelled pictures."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.heads.fitting.rows import balanced_sample

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=80).map(np.array)


@given(labels=LABELS, seed=st.integers(0, 100))
def test_no_more_than_fit_are_all_taken(labels: np.ndarray, seed: int) -> None:
    assert balanced_sample(labels, len(labels), 1, seed).tolist() == list(range(len(labels)))


@given(labels=LABELS, most=st.integers(1, 80), fewest=st.integers(1, 20))
def test_of_each_category_as_many_are_taken_as_of_any_other(
    labels: np.ndarray, most: int, fewest: int
) -> None:
    chosen = balanced_sample(labels, most, fewest, 0)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    if len(labels) > most:
        there, taken = Counter(labels.tolist()), Counter(labels[chosen].tolist())
        share = max(fewest, most // len(there))
        assert taken == {label: min(count, share) for label, count in there.items()}


def test_a_sample_depends_on_the_seed_alone() -> None:
    labels = np.zeros(100, np.int64)
    one, again, other = (balanced_sample(labels, 10, 1, seed).tolist() for seed in (1, 1, 2))
    assert one == again
    assert one != other
