"""The convex combination of categories, held against the formula written out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.search.text.conse import ConseLimits, combination, directions


@given(
    seed=st.integers(0, 1000),
    count=st.integers(1, 40),
    nearest=st.integers(1, 50),
    temperature=st.sampled_from([0.01, 0.05, 1.0]),
)
def test_a_combination_is_that_of_the_formula(
    seed: int, count: int, nearest: int, temperature: float
) -> None:
    rng = np.random.default_rng(seed)
    similarities = rng.uniform(-1, 1, count).astype(np.float32)
    rows = directions(rng.normal(size=(count, 8)).astype(np.float32), np.zeros(8, np.float32))
    found = combination(similarities, ConseLimits(nearest, temperature))
    best = sorted(range(count), key=lambda row: -similarities[row])[:nearest]
    shares = [np.exp(float(similarities[row]) / temperature) for row in best]
    total = sum(share / sum(shares) * rows[row] for share, row in zip(shares, best, strict=True))
    assert found.positions.tolist() == best
    assert found.similarity == similarities.max()
    assert abs(float(found.weights.sum()) - 1) < 1e-5
    assert np.abs(found.vector(rows) - total / np.linalg.norm(total)).max() < 1e-4


def test_directions_are_what_categories_do_not_have_in_common() -> None:
    rows = np.array([[3, 1], [3, 5]], np.float32)
    assert directions(rows, rows.mean(axis=0)).tolist() == [[0, -1], [0, 1]]
    assert directions(rows[:1], rows[0]).tolist() == [[0, 0]], "of none there is no direction"
