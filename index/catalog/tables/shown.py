"""What an answer shows of each image: less than there is to know of it, and read sooner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import bindparam, select

from index.catalog.sql.database import Database
from index.catalog.sql.prepared import IDS, PreparedQuery
from index.catalog.sql.schema import Category, Image
from index.catalog.tables.filters import with_prediction


@dataclass(frozen=True, slots=True)
class ShownImage:
    """One image as an answer shows it.

    Attributes
    ----------
    path
        Where its file is, or was.
    label
        What a person says it is.
    category
        What the engine says it is, None where it is not convinced.
    """

    path: str
    label: str | None
    category: str | None


def shown_images(database: Database, ids: Sequence[int]) -> dict[int, ShownImage]:
    """Return what is shown of these images by id; unknown ids are left out."""
    decode = database.paths.decode
    with database.reading() as connection:
        return {
            image_id: ShownImage(decode(path), label, category)
            for image_id, path, label, category in _query().rows(connection, ids)
        }


@cache
def _query() -> PreparedQuery:
    columns = (Image.id, Image.path, Image.label, Category.name)
    of_ids = Image.id.in_(bindparam(IDS, expanding=True))
    return PreparedQuery(with_prediction(select(*columns)).where(of_ids))
