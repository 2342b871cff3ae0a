"""Positions in a file: there whole or not at all, and believed in nothing that does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.errors import EngineError
from engine.search.map.positions import (
    DamagedMapError,
    Positions,
    fitted,
    read_positions,
    write_positions,
)
from index.state import CatalogState

STATE = CatalogState("c" * 32, 7, "t" * 32)
SHARED = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A file of three positions."""
    xy = np.array([[0, 0], [0.25, 1], [1, 0.5]], np.float32)
    path = tmp_path / "umap.map"
    write_positions(path, Positions(np.array([2, 3, 9]), xy, STATE))
    return path


def test_what_was_written_is_read(written: Path) -> None:
    found = read_positions(written)
    assert found is not None
    assert found.ids.tolist() == [2, 3, 9]
    assert found.xy.tolist() == [[0, 0], [0.25, 1], [1, 0.5]]
    assert found.state == STATE


def test_where_there_is_no_file_there_are_none(tmp_path: Path) -> None:
    assert read_positions(tmp_path / "umap.map") is None


@SHARED
@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_byte_that_changed_is_noticed(written: Path, at: int, flip: int) -> None:
    whole = written.read_bytes()
    at %= len(whole)
    damaged = written.with_name("damaged.map")
    damaged.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
    try:
        found = read_positions(damaged)
    except DamagedMapError:
        return
    # Within the state alone: then it is taken for that of another catalog.
    assert found is not None
    assert found.ids.tolist() == [2, 3, 9]
    assert found.state != STATE


@SHARED
@given(end=st.integers(0, 10_000))
def test_a_file_that_was_cut_short_is_damaged(written: Path, end: int) -> None:
    whole = written.read_bytes()
    damaged = written.with_name("damaged.map")
    damaged.write_bytes(whole[: end % len(whole)])
    with pytest.raises(DamagedMapError):
        read_positions(damaged)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "something else"},
        {"version": 2},
        {"images": -1},
        {"images": True},
        {"images": 10**30},
        {"state": {}},
        {"state": None},
        {"sha256": None},
    ],
)
def test_a_header_that_says_nothing_sensible_is_damage(
    written: Path, change: dict[str, object]
) -> None:
    line, _, body = written.read_bytes().partition(b"\n")
    written.write_bytes(json.dumps({**json.loads(line), **change}).encode() + b"\n" + body)
    with pytest.raises(DamagedMapError):
        read_positions(written)


def test_positions_out_of_the_square_are_damage(tmp_path: Path) -> None:
    for xy in ([[0, 2]], [[float("nan"), 0]], [[-1, 0]]):
        path = tmp_path / "umap.map"
        write_positions(path, Positions(np.array([1]), np.array(xy, np.float32), STATE))
        with pytest.raises(DamagedMapError):
            read_positions(path)


def test_a_link_is_not_followed(written: Path) -> None:
    link = written.with_name("link.map")
    link.symlink_to(written)
    with pytest.raises(DamagedMapError):
        read_positions(link)


def test_where_it_cannot_be_written_that_is_said(tmp_path: Path) -> None:
    none = Positions(np.empty(0, np.int64), np.empty((0, 2), np.float32), STATE)
    with pytest.raises(EngineError, match="the map cannot be written"):
        write_positions(tmp_path / "none" / "umap.map", none)


@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 2), max_size=20))
@example([(0.0, 0.0), (0.0, 1.401298464324817e-45)])
def test_positions_are_fitted_into_a_square_in_one_scale(points: list[tuple[float, float]]) -> None:
    xy = np.array(points, np.float32).reshape(-1, 2)
    found = fitted(xy)
    assert found.shape == xy.shape
    assert ((found >= 0) & (found <= 1)).all()
    if len(xy) > 1 and (spans := np.ptp(xy, axis=0)).max() > 0:
        assert np.ptp(found, axis=0).max() == pytest.approx(1, abs=1e-3)
        assert np.ptp(found, axis=0) == pytest.approx(spans / spans.max(), abs=1e-3)
