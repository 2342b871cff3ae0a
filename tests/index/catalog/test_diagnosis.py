"""A failure is called damage of the catalog where the catalog holds what no column can hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from index.catalog.catalog import Catalog
from index.catalog.diagnosis import diagnosed
from index.catalog.tables.images import Batch
from index.errors import CatalogDamagedError, StoreError


@pytest.fixture
def filled(file_catalog: Catalog, make_batch: Callable[..., Batch]) -> Catalog:
    """A catalog with two images."""
    file_catalog.images.store(make_batch(["/a", "/b"]))
    return file_catalog


def _fail() -> None:
    raise TypeError("it is no number")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE images SET indexed_at = 'never' WHERE id = 1",
        "UPDATE images SET size = 'many' WHERE id = 1",
        "UPDATE images SET content_hash = x'ff' WHERE id = 2",
        "UPDATE predictions SET probability = 'likely'",
        "DELETE FROM embeddings",
    ],
)
def test_what_fails_over_an_impossible_value_is_damage(filled: Catalog, damage: str) -> None:
    with filled.database.writing() as connection:
        connection.execute(text(damage))
    damaged = pytest.raises(CatalogDamagedError, match="the catalog is damaged")
    with damaged as raised, diagnosed(filled):
        _fail()
    assert isinstance(raised.value.__cause__, TypeError)


def test_what_fails_over_a_sound_catalog_is_a_fault_of_ours(filled: Catalog) -> None:
    with pytest.raises(TypeError, match="it is no number"), diagnosed(filled):
        _fail()


def test_an_error_that_says_what_it_is_stays(filled: Catalog, tmp_path: Path) -> None:
    with filled.database.writing() as connection:
        connection.execute(text("UPDATE images SET size = 'many'"))
    with pytest.raises(StoreError, match="full"), diagnosed(filled):
        raise StoreError(tmp_path, "it is full", "Free some space")
