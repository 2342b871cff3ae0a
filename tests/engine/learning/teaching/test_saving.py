"""A lesson is saved in one go: what was judged, the head, and what that changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import Engine
from engine.errors import StoreLockedError
from tests.support.meanwhile import meanwhile


@pytest.fixture
def indexed(images: Path, fake_engine: Engine) -> Engine:
    """An engine with twelve pictures: ids 1 to 4 are beds, then chairs, then lamps."""
    fake_engine.index([images], label="parent")
    fake_engine._session.patience_seconds = 0.0
    return fake_engine


def test_nobody_writes_between_what_is_remembered_and_what_is_learned_of_it(
    indexed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = meanwhile(monkeypatch, Engine, "train", lambda: indexed.images.forget([12]))
    told = indexed.save_lesson("bed", [1, 2, 3, 4], [5, 6, 9], head="rooms")
    assert isinstance(seen[0], StoreLockedError)
    shown = [each.category for each in indexed.images.page().images]
    assert told.changed == shown.count("bed") > 0
    assert len(shown) == 12


def test_where_another_writes_nothing_is_remembered(indexed: Engine) -> None:
    with (
        indexed.config.store.writer_lock(wait_seconds=0.0),
        pytest.raises(StoreLockedError),
    ):
        indexed.save_lesson("bed", [1, 2], [5], head="rooms")
    assert list(indexed.judgements) == []
