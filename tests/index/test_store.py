"""The store is found as git finds `.git`."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.errors import StoreError, StoreNotFoundError
from index.store import Store, find_store


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGINE_STORE", raising=False)
    monkeypatch.delenv("ENGINE_CATALOG_URL", raising=False)


def _fill(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "catalog.sqlite").touch()
    return folder


def test_the_argument_comes_before_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(tmp_path / ".engine")
    monkeypatch.setenv("ENGINE_STORE", str(tmp_path / "variable"))
    assert find_store(tmp_path / "named", start=tmp_path).folder == tmp_path / "named"


def test_the_variable_comes_before_the_nearest_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(tmp_path / ".engine")
    monkeypatch.setenv("ENGINE_STORE", str(tmp_path / "variable"))
    assert find_store(start=tmp_path).folder == tmp_path / "variable"


def test_an_empty_variable_is_no_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_STORE", "")
    assert find_store(start=tmp_path).folder == tmp_path / ".engine"


def test_the_nearest_store_upward_is_found(tmp_path: Path) -> None:
    _fill(tmp_path / ".engine")
    near = _fill(tmp_path / "a" / ".engine")
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    assert find_store(start=deep).folder == near


def test_a_folder_without_a_catalog_is_passed_by(tmp_path: Path) -> None:
    far = _fill(tmp_path / ".engine")
    (tmp_path / "a" / ".engine").mkdir(parents=True)
    assert find_store(start=tmp_path / "a").folder == far


def test_a_store_below_is_not_found(tmp_path: Path) -> None:
    _fill(tmp_path / "below" / ".engine")
    assert find_store(start=tmp_path).folder == tmp_path / ".engine"


def test_where_there_is_none_it_is_to_be_made_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = find_store()
    assert store.folder == tmp_path / ".engine"
    assert not store.folder.exists(), "finding makes nothing"


def test_a_relative_argument_is_taken_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_store("shop").folder == tmp_path / "shop"


def test_a_catalog_elsewhere_is_reached_by_its_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_CATALOG_URL", "postgresql+psycopg://host/pictures")
    store = find_store(tmp_path)
    assert store.catalog == "postgresql+psycopg://host/pictures"
    assert store.index == tmp_path / "index.faiss"
    assert store.exists()


def test_a_store_without_a_catalog_is_no_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not store.exists()
    with pytest.raises(StoreNotFoundError, match="engine index FOLDER"):
        store.require()


def test_a_store_with_a_catalog_is_one(tmp_path: Path) -> None:
    store = Store(_fill(tmp_path / "shop"))
    assert store.exists()
    store.require()
    assert store.catalog == tmp_path / "shop" / "catalog.sqlite"


def test_making_a_store_twice_is_fine(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "b")
    store.make()
    store.make()
    assert store.folder.is_dir()


def test_a_store_cannot_be_made_where_a_file_lies(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="--store"):
        Store(tmp_path / "file" / ".engine").make()
