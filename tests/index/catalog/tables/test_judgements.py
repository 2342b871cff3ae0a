"""What people said of contents is there until they take it back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from index.catalog.catalog import Catalog
from index.catalog.sql.database import Database
from index.catalog.sql.migrations import CHECKSUMS, MIGRATIONS
from index.catalog.tables.images import Batch
from index.catalog.tables.judgements import JudgementTable
from index.records import JudgedContent

MakeBatch = Callable[..., Batch]


@pytest.fixture
def two_copies(catalog: Catalog, make_batch: MakeBatch) -> list[int]:
    """Three images in `catalog`, the first two of one content `h`, the last of content `i`."""
    batch = make_batch(["/a", "/b", "/c"], hashes=["h", "h", "i"])
    return catalog.images.store(batch)


def test_what_was_said_is_found_with_an_image(catalog: Catalog, two_copies: list[int]) -> None:
    catalog.judgements.put("bed", {"i": False, "h": True})
    catalog.judgements.put("chair", {"nowhere": True})
    assert catalog.judgements.all() == [
        JudgedContent("bed", "h", True, two_copies[0]),
        JudgedContent("bed", "i", False, two_copies[2]),
        JudgedContent("chair", "nowhere", True, None),
    ]
    assert catalog.judgements.counts() == {"bed": (1, 1), "chair": (1, 0)}
    assert catalog.counts().judgements == 3


def test_the_last_word_counts(catalog: Catalog) -> None:
    catalog.judgements.put("bed", {"h": True})
    catalog.judgements.put("bed", {"h": False})
    assert catalog.judgements.counts() == {"bed": (0, 1)}


def test_of_a_category_its_visible_images_are_told_once_a_content(
    catalog: Catalog, two_copies: list[int]
) -> None:
    catalog.judgements.put("bed", {"h": True, "i": False, "nowhere": True})
    catalog.judgements.put("chair", {"i": True})
    assert catalog.judgements.images("bed") == [(two_copies[0], True), (two_copies[2], False)]
    catalog.images.hide([two_copies[0], two_copies[2]])
    assert catalog.judgements.images("bed") == [(two_copies[1], True)]


def test_taken_back_are_those_of_one_category(catalog: Catalog) -> None:
    catalog.judgements.put("bed", {"h": True, "i": True})
    catalog.judgements.put("chair", {"h": False})
    assert catalog.judgements.forget("bed", ["h", "nothing"]) == 1
    assert catalog.judgements.counts() == {"bed": (1, 0), "chair": (0, 1)}


def test_images_may_move_and_go_and_come_back(catalog: Catalog, make_batch: MakeBatch) -> None:
    (first,) = catalog.images.store(make_batch(["/a"], hashes=["h"]))
    catalog.judgements.put("bed", {"h": True})
    catalog.images.move([(first, "/elsewhere")])
    assert catalog.judgements.images("bed") == [(first, True)]
    catalog.images.delete([first])
    catalog.compact()
    assert catalog.judgements.all() == [JudgedContent("bed", "h", True, None)]
    (again,) = catalog.images.store(make_batch(["/b"], hashes=["h"]))
    assert catalog.judgements.images("bed") == [(again, True)]


def test_more_contents_than_one_statement_takes(catalog: Catalog) -> None:
    said = {f"{number:04}": number % 2 == 0 for number in range(2000)}
    catalog.judgements.put("bed", said)
    catalog.judgements.put("bed", said)
    assert catalog.judgements.counts() == {"bed": (1000, 1000)}
    assert catalog.judgements.forget("bed", list(said)) == 2000


def test_nothing_said_is_nothing_to_do(catalog: Catalog) -> None:
    catalog.judgements.put("bed", {})
    assert (catalog.judgements.all(), catalog.judgements.counts()) == ([], {})


def test_a_catalog_that_lacks_the_table_has_none(database_url: str) -> None:
    older = Database(database_url)
    older.migrate(MIGRATIONS[:CHECKSUMS])
    table = JudgementTable(older)
    assert (table.all(), table.images("bed"), table.counts()) == ([], [], {})
    older.close()


def test_a_pair_of_contents_is_remembered_once(catalog: Catalog) -> None:
    row = "INSERT INTO distinct_pairs VALUES ('h', 'i', '2026-01-01 00:00:00')"
    with catalog.database.writing() as connection:
        connection.execute(text(row))
        connection.execute(text(row + " ON CONFLICT DO NOTHING"))
        count = connection.execute(text("SELECT COUNT(*) FROM distinct_pairs")).scalar_one()
    assert count == 1
