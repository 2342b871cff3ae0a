"""Stored embeddings that a disk has changed: left out, named, and made again from their files."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import EngineError
from tests.support.shop import Shop, counts


def _damage(shop: Shop, name: str) -> None:
    """Flip an exponent bit of the first number of a file's stored vector."""
    file = shop.folder.parent / "store" / "catalog.sqlite"
    with closing(sqlite3.connect(file)) as database:
        query = "SELECT id, vector FROM images JOIN embeddings ON image_id = id WHERE path LIKE ?"
        [(key, vector)] = database.execute(query, (f"%/{name}",)).fetchall()
        changed = bytes((*vector[:1], vector[1] ^ 0x40, *vector[2:]))
        database.execute("UPDATE embeddings SET vector = ? WHERE image_id = ?", (changed, key))
        database.commit()


def _forget_index(shop: Shop) -> None:
    shop.engine.close()
    for path in (shop.folder.parent / "store" / "index").iterdir():
        path.unlink()


def _told(shop: Shop) -> list[str]:
    return [text for text in shop.reporter.announced if "damaged" in text]


@pytest.fixture
def damaged(shop: Shop) -> Shop:
    """The stored embedding of b.bmp is damaged, and the index must be built anew."""
    shop.index()
    _forget_index(shop)
    _damage(shop, "b.bmp")
    return shop


def test_an_index_is_built_without_it_and_says_so(damaged: Shop) -> None:
    assert damaged.shown(1, 2, 3) == {"1": ["a.bmp"], "2": [], "3": ["sub/c.bmp"]}
    assert damaged.names() == ["a.bmp", "sub/c.bmp"]
    [told] = _told(damaged)
    assert str(damaged.folder / "b.bmp") in told
    assert "engine index" in told


def test_the_next_run_of_indexing_makes_it_again(damaged: Shop) -> None:
    report = damaged.index()
    assert counts(report) == {"updated": 1, "unchanged": 2, "embedded": 1}
    assert damaged.opened == ["b.bmp"]
    assert report.notes == [
        f"{damaged.folder / 'b.bmp'}: its stored embedding was damaged and is made again"
    ]
    assert damaged.shown(1, 2, 3) == {"1": ["a.bmp"], "2": ["b.bmp"], "3": ["sub/c.bmp"]}
    assert damaged.engine.status().consistent


def test_also_where_the_index_was_built_without_it(damaged: Shop) -> None:
    damaged.names()
    damaged.index()
    assert damaged.names() == ["a.bmp", "b.bmp", "sub/c.bmp"]


def test_a_copy_of_its_file_gets_no_damaged_embedding(damaged: Shop) -> None:
    damaged.put("copy.bmp", 2)
    assert counts(damaged.index()) == {"added": 1, "updated": 1, "unchanged": 2, "embedded": 2}
    assert damaged.shown(2) == {"2": ["b.bmp", "copy.bmp"]}


def test_a_file_that_moved_meanwhile_is_embedded_again(damaged: Shop) -> None:
    (damaged.folder / "b.bmp").rename(damaged.folder / "z.bmp")
    damaged.index()
    assert damaged.shown(2) == {"2": ["z.bmp"]}


def test_status_names_it(damaged: Shop) -> None:
    status = damaged.engine.status()
    assert not status.consistent
    assert any(str(damaged.folder / "b.bmp") in problem for problem in status.problems)


def test_duplicates_and_exports_say_what_is_damaged(damaged: Shop, tmp_path: Path) -> None:
    for ask in (
        damaged.engine.duplicates,
        lambda: damaged.engine.export(tmp_path / "out.npy"),
    ):
        with pytest.raises(EngineError, match=r"b\.bmp: its stored embedding is damaged"):
            ask()
