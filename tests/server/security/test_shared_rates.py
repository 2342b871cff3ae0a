"""Rates of clients that several processes count together: as one process counts them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.security.rates import ClientRates
from server.security.shared_rates import ROWS, SLOTS, SharedRates

ASKED = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from("abcde"), st.floats(0, 0.5)), max_size=60
)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(ASKED)
def test_two_processes_count_as_one_does(asked: list[tuple[int, str, float]]) -> None:
    now = 1000.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rates"
        two = [SharedRates(path, 4.0, 3, lambda: now) for _ in range(2)]
        one = ClientRates(4.0, 3, lambda: now)
        for process, client, later in asked:
            now += later
            assert two[process].wait(client) == one.wait(client)


def test_any_number_of_clients_has_room(tmp_path: Path) -> None:
    rates = SharedRates(tmp_path / "rates", 1.0, 1, lambda: 1000.0)
    for number in range(2 * ROWS * SLOTS):
        assert rates.wait(f"client {number}") == 0
    assert (tmp_path / "rates").stat().st_size == ROWS * SLOTS * 24
