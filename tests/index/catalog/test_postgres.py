"""The catalog on PostgreSQL. Needs psycopg and an empty database that may be written to:

ENGINE_TEST_POSTGRES=postgresql+psycopg://user@localhost/name python -m pytest tests/index
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from engine import Config, Engine
from engine.testing import FakeEmbedder

URL = os.environ.get("ENGINE_TEST_POSTGRES")


@pytest.fixture
def postgres_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine with the fake backbone whose catalog is an empty schema on the server."""
    if not URL:
        pytest.skip("no PostgreSQL server (set ENGINE_TEST_POSTGRES to a SQLAlchemy URL)")
    pytest.importorskip("psycopg")
    server = create_engine(URL)
    with server.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    server.dispose()
    monkeypatch.setenv("ENGINE_CATALOG_URL", URL)
    config = Config.at(tmp_path / "store")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        yield engine


def test_images_are_indexed_searched_and_removed(postgres_engine: Engine, images: Path) -> None:
    report = postgres_engine.index([images], label="parent")
    again = postgres_engine.index([images], label="parent")
    query = min((images / "bed").iterdir())
    hit = postgres_engine.search(query, k=1, where=["label=bed"])[0]
    removed = postgres_engine.remove([images / "bed"])
    assert (report.added, again.unchanged, hit.path, removed.images) == (12, 12, str(query), 8)


def test_a_name_of_any_bytes_comes_back_as_it_was(postgres_engine: Engine, images: Path) -> None:
    odd = os.fsencode(images) + b"/\xff\n.jpg"
    os.rename(min((images / "bed").iterdir()), odd)
    postgres_engine.index([images])
    assert os.fsencode(postgres_engine.search(os.fsdecode(odd), k=1)[0].path) == odd


def test_a_head_and_the_predictions_change_together(postgres_engine: Engine, images: Path) -> None:
    postgres_engine.index([images], label="parent")
    postgres_engine.train(head="mine", from_labels=True)
    assert set(postgres_engine.status().categories) & {"bed", "chair", "lamp"}
    postgres_engine.heads.delete("mine")
    assert not set(postgres_engine.status().categories) & {"bed", "chair", "lamp"}
