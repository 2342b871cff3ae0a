"""What tests of indexing share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import Config, Engine
from engine.testing import FakeEmbedder
from tests.support.shop import NotingMemory, NotingReporter, Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A folder with the pictures a.bmp, b.bmp and sub/c.bmp of contents 1, 2 and 3."""
    config, reporter = Config.at(tmp_path / "store"), NotingReporter()
    embedder = FakeEmbedder(config)
    embedder.memory = memory = NotingMemory()
    with Engine(config, reporter, embedder=embedder) as engine:
        made = Shop(tmp_path / "shop", engine, memory, reporter)
        for content, name in enumerate(("a.bmp", "b.bmp", "sub/c.bmp"), start=1):
            made.put(name, content)
        yield made
