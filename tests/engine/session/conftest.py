"""What tests of sessions share: a store of the drawn pictures, and others who open it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import Config, Engine
from engine.progress import SILENT
from engine.session.session import Session
from engine.testing import FakeEmbedder
from tests.support.sessions import MakeSession


@pytest.fixture
def store(tmp_path: Path, drawn: Path) -> Path:
    """A store of the drawn pictures, whose index has a segment."""
    config = Config.at(tmp_path / "store", index="compressed")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        engine.index([drawn], label="parent")
    return config.store.folder


@pytest.fixture
def make_session(store: Path) -> Iterator[MakeSession]:
    """Open the store once more."""
    made: list[Session] = []

    def make() -> Session:
        config = Config.at(store)
        made.append(Session(config, SILENT, FakeEmbedder(config)))
        return made[-1]

    yield make
    for session in made:
        session.close()
