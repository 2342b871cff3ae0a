"""Opening and making catalogs, and the invariants they keep."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, text
from sqlalchemy.exc import StatementError

from index.catalog.catalog import Catalog
from index.catalog.sql.schema import Network
from index.catalog.tables.images import Batch
from index.errors import (
    BackboneMismatchError,
    CatalogDamagedError,
    StoreNotFoundError,
)
from index.records import CatalogIdentity

MakeIdentity = Callable[..., CatalogIdentity]
INT8_NETWORK = bytes(range(256)) * 9


@pytest.fixture
def catalog(url_catalog: Catalog) -> Catalog:
    """An empty catalog at `database_url`."""
    return url_catalog


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_catalog_remembers_whose_embeddings_it_holds(
    database_url: str | Path, make_identity: MakeIdentity, dtype: str
) -> None:
    identity = make_identity(dim=3, dtype=dtype)
    Catalog.create(database_url, identity).close()
    with Catalog.open(database_url) as catalog:
        assert catalog.identity == identity


def test_making_a_catalog_twice_gives_the_first_one(
    catalog: Catalog,
    database_url: str | Path,
    make_identity: MakeIdentity,
    make_batch: Callable[..., Batch],
) -> None:
    catalog.images.store(make_batch(["/a.jpg"]))
    with Catalog.create(database_url, make_identity(dtype="float16")) as again:
        assert again.identity == catalog.identity
        assert again.counts().images == 1


def test_another_backbone_is_refused_by_name(
    catalog: Catalog, database_url: str | Path, make_identity: MakeIdentity
) -> None:
    other = make_identity(backbone="dinov2", fingerprint="d" * 64)
    with pytest.raises(BackboneMismatchError) as caught:
        Catalog.create(database_url, other)
    assert "made with fake, not dinov2" in caught.value.reason
    assert "--store" in caught.value.remedy


def test_other_weights_of_the_same_backbone_are_refused_by_fingerprint(
    catalog: Catalog, database_url: str | Path, make_identity: MakeIdentity
) -> None:
    with pytest.raises(BackboneMismatchError) as caught:
        Catalog.create(database_url, make_identity(fingerprint="d" * 64))
    assert "d" * 12 in caught.value.reason
    assert "f" * 12 in caught.value.reason


def test_a_refused_backbone_changes_nothing(
    catalog: Catalog, database_url: str | Path, make_identity: MakeIdentity
) -> None:
    with pytest.raises(BackboneMismatchError):
        Catalog.create(database_url, make_identity(fingerprint="d" * 64))
    with Catalog.open(database_url) as again:
        assert again.identity == catalog.identity


def test_the_catalogs_own_backbone_is_welcome(catalog: Catalog) -> None:
    catalog.require(catalog.identity.backbone, catalog.identity.fingerprint)


def test_a_database_without_a_catalog_is_empty(database_url: str | Path) -> None:
    if isinstance(database_url, Path):
        database_url.touch()
    with pytest.raises(StoreNotFoundError, match="empty"):
        Catalog.open(database_url)


def test_a_catalog_that_is_not_there_is_not_made_by_opening(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFoundError, match="engine index FOLDER"):
        Catalog.open(tmp_path / "catalog.sqlite")
    assert os.listdir(tmp_path) == []


def test_a_catalog_can_be_made_of_an_empty_file(
    tmp_path: Path, make_identity: MakeIdentity
) -> None:
    (tmp_path / "catalog.sqlite").touch()
    with Catalog.create(tmp_path / "catalog.sqlite", make_identity()) as catalog:
        assert catalog.counts().images == 0


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are not listed here")
def test_a_catalog_that_is_refused_is_closed(tmp_path: Path, make_identity: MakeIdentity) -> None:
    def open_files() -> list[str]:
        links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
        return [os.readlink(link) for link in links if os.path.lexists(link)]

    path = tmp_path / "catalog.sqlite"
    Catalog.create(path, make_identity()).close()
    with pytest.raises(BackboneMismatchError) as mismatch:
        Catalog.create(path, make_identity(fingerprint="d" * 64))
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(CatalogDamagedError) as damaged:
        Catalog.open(path)
    assert not any(name.startswith(str(path)) for name in open_files())
    del mismatch, damaged  # until here they hold on to whatever was left open


def test_a_sound_catalog_has_no_problems(
    catalog: Catalog, make_batch: Callable[..., Batch]
) -> None:
    ids = catalog.images.store(make_batch(["/a.jpg", "/b.jpg"]))
    catalog.images.hide(ids[:1])
    assert catalog.problems() == []


def test_an_image_without_an_embedding_is_a_problem(
    catalog: Catalog, make_batch: Callable[..., Batch]
) -> None:
    [first, _] = catalog.images.store(make_batch(["/a.jpg", "/b.jpg"]))
    with catalog.database.writing() as connection:
        connection.execute(text(f"DELETE FROM embeddings WHERE image_id = {first}"))
    assert catalog.problems() == ["1 images have no embedding"]


def test_a_row_that_points_nowhere_is_a_problem(
    file_catalog: Catalog, make_batch: Callable[..., Batch]
) -> None:
    catalog = file_catalog
    catalog.images.store(make_batch(["/a.jpg"]))
    with catalog.database.reading() as connection:
        raw: Any = connection.connection.driver_connection
        raw.execute("COMMIT")
        raw.execute("PRAGMA foreign_keys=OFF")
        raw.execute("BEGIN")
        connection.execute(text("DELETE FROM images"))
    assert catalog.problems() == ["2 rows point nowhere"]


def test_counts_tell_visible_images_from_gone_ones(
    catalog: Catalog, make_batch: Callable[..., Batch]
) -> None:
    ids = catalog.images.store(
        make_batch(["/a.jpg", "/b.jpg", "/c.jpg"], labels=["bed", None, "lamp"])
    )
    catalog.images.hide(ids[2:])
    counts = catalog.counts()
    assert (counts.images, counts.missing, counts.labelled) == (2, 1, 1)
    assert (counts.embeddings, counts.predictions) == (3, 3)
    assert (counts.views, counts.heads) == (0, 0)


def test_a_network_comes_back_as_it_was(
    database_url: str | Path, make_identity: MakeIdentity
) -> None:
    Catalog.create(database_url, make_identity(), network=INT8_NETWORK).close()
    with Catalog.open(database_url) as catalog:
        assert catalog.network() == INT8_NETWORK


def test_a_catalog_without_the_network_it_needs_is_damaged(
    database_url: str | Path, make_identity: MakeIdentity
) -> None:
    with Catalog.create(database_url, make_identity(), network=INT8_NETWORK) as catalog:
        with catalog.database.writing() as connection:
            connection.execute(delete(Network))
        with pytest.raises(CatalogDamagedError, match="network"):
            catalog.network()


def test_another_network_leaves_the_first_one_alone(
    database_url: str | Path, make_identity: MakeIdentity
) -> None:
    Catalog.create(database_url, make_identity(), network=INT8_NETWORK).close()
    with pytest.raises(BackboneMismatchError):
        Catalog.create(database_url, make_identity(fingerprint="d" * 64), network=b"x")
    with Catalog.open(database_url) as catalog:
        assert catalog.network() == INT8_NETWORK


def test_where_the_network_cannot_be_stored_there_is_no_identity_either(
    database_url: str | Path, make_identity: MakeIdentity
) -> None:
    no_bytes: Any = object()
    with pytest.raises((TypeError, StatementError)):
        Catalog.create(database_url, make_identity(), network=no_bytes)
    with Catalog.create(database_url, make_identity(fingerprint="d" * 64)) as catalog:
        assert catalog.identity.fingerprint == "d" * 64
        with catalog.database.reading() as connection:
            assert connection.execute(text("select count(*) from networks")).scalar_one() == 0
