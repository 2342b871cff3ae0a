"""Networks quantized for a catalog, stored with its identity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, text

from index.catalog.catalog import Catalog
from index.catalog.schema import Network
from index.errors import BackboneMismatchError, CatalogDamagedError
from index.records import CatalogIdentity

MakeIdentity = Callable[..., CatalogIdentity]
FILE = bytes(range(256)) * 9


def test_a_network_comes_back_as_it_was(tmp_path: Path, make_identity: MakeIdentity) -> None:
    Catalog.create(tmp_path / "new.sqlite", make_identity(), network=FILE).close()
    with Catalog.open(tmp_path / "new.sqlite") as catalog:
        assert catalog.network() == FILE


def test_a_catalog_without_the_network_it_needs_is_damaged(
    tmp_path: Path, make_identity: MakeIdentity
) -> None:
    with Catalog.create(tmp_path / "new.sqlite", make_identity(), network=FILE) as catalog:
        with catalog.database.writing() as connection:
            connection.execute(delete(Network))
        with pytest.raises(CatalogDamagedError, match="network"):
            catalog.network()


def test_another_network_leaves_the_first_one_alone(
    tmp_path: Path, make_identity: MakeIdentity
) -> None:
    Catalog.create(tmp_path / "new.sqlite", make_identity(), network=FILE).close()
    with pytest.raises(BackboneMismatchError):
        Catalog.create(tmp_path / "new.sqlite", make_identity(fingerprint="d" * 64), network=b"x")
    with Catalog.open(tmp_path / "new.sqlite") as catalog:
        assert catalog.network() == FILE


def test_where_the_network_cannot_be_stored_there_is_no_identity_either(
    tmp_path: Path, make_identity: MakeIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("index.catalog.catalog.put_network", fail)
    with pytest.raises(KeyboardInterrupt):
        Catalog.create(tmp_path / "new.sqlite", make_identity(), network=FILE)
    monkeypatch.undo()
    with Catalog.create(tmp_path / "new.sqlite", make_identity(fingerprint="d" * 64)) as catalog:
        assert catalog.identity.fingerprint == "d" * 64
        with catalog.database.reading() as connection:
            assert connection.execute(text("select count(*) from networks")).scalar_one() == 0
