"""Prefetching: in order, within bounds, and not longer than somebody reads."""

from __future__ import annotations

import itertools
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.pictures.threads.prefetch import prefetch


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers()), st.integers(1, 4), st.integers(1, 9))
def test_results_come_in_the_order_of_the_items(
    items: list[int], workers: int, window: int
) -> None:
    found = list(prefetch(lambda item: (item, -item), items, workers=workers, window=window))
    assert found == [(item, -item) for item in items]


def test_a_slow_item_does_not_lose_its_turn() -> None:
    later = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert later.wait(30)
        elif item == 3:
            later.set()
        return item

    assert list(prefetch(work, range(8), workers=2, window=6)) == list(range(8))


def test_items_are_worked_on_side_by_side() -> None:
    together = threading.Barrier(2, timeout=30)
    assert len(list(prefetch(lambda item: together.wait(), range(4), workers=2, window=4))) == 4


@pytest.mark.parametrize("window", [1, 3, 10])
def test_no_more_than_the_window_is_begun_before_the_reader_comes(window: int) -> None:
    begun: list[int] = []
    results = prefetch(begun.append, range(60), workers=4, window=window)
    for taken, _ in enumerate(results):
        assert len(begun) <= taken + window
    assert len(begun) == 60


def test_items_are_taken_as_they_are_needed() -> None:
    endless = prefetch(lambda item: item, itertools.count(), workers=2, window=5)
    assert list(itertools.islice(endless, 7)) == list(range(7))
    endless.close()  # type: ignore[attr-defined]


def test_an_error_comes_out_in_its_turn() -> None:
    def work(item: int) -> int:
        return 10 // (3 - item)

    results = prefetch(work, range(9), workers=2, window=4)
    assert [next(results) for _ in range(3)] == [3, 5, 10]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_after_an_error_no_thread_is_left() -> None:
    def work(item: int) -> int:
        raise ValueError(item)

    with pytest.raises(ValueError, match="0"):
        list(prefetch(work, range(9), workers=3, window=4))
    assert not [each for each in threading.enumerate() if each.name.startswith("decode")]


def test_a_reader_that_stops_early_drops_the_rest() -> None:
    begun: list[int] = []
    results = prefetch(begun.append, range(1000), workers=2, window=5)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(begun) <= 5
    assert not [each for each in threading.enumerate() if each.name.startswith("decode")]
