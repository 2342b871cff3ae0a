"""What an answer shows of images is what the catalog knows of them."""

from __future__ import annotations

from collections.abc import Callable

from index.catalog.catalog import Catalog
from index.catalog.sql.database import VALUES_PER_STATEMENT
from index.catalog.tables.images import Batch
from index.catalog.tables.shown import ShownImage, shown_images

MakeBatch = Callable[..., Batch]


def test_as_much_is_shown_as_whole_rows_have(catalog: Catalog, make_batch: MakeBatch) -> None:
    store, several = catalog.images.store, VALUES_PER_STATEMENT + 3
    named = store(make_batch(["/b/sofa", "/b/bed"], labels=["sofa", None], categories=["q", "c"]))
    store(make_batch(["/unsure"], unknown=[True]))
    undecodable = store(make_batch(["/b/\udcff"]))
    many = store(make_batch([f"/{number}" for number in range(several)]))
    for ids in ([], named, undecodable, many, [*many, *named, 10**9], named[:1]):
        rows = catalog.images.rows(ids)
        assert shown_images(catalog.database, ids) == {
            each: ShownImage(row.path, row.label, row.category) for each, row in rows.items()
        }
    assert shown_images(catalog.database, undecodable)[undecodable[0]].path == "/b/\udcff"
