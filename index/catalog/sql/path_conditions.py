"""SQL conditions on the paths of files, as a catalog holds them."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, func, literal, not_, or_

from index.catalog.paths import RELATIVE, UNDECODABLE, PathCodec, as_folder, is_text
from index.catalog.sql.schema import Image


def codec_of(connection: Connection) -> PathCodec:
    """Return how the catalog that a connection leads to stores its paths."""
    paths: PathCodec = connection.get_execution_options()["paths"]
    return paths


def below(paths: PathCodec, root: str) -> ColumnElement[bool]:
    """Return the SQL condition that an image lies at or below `root`, or may do so.

    A path with undecodable bytes is stored encoded, so SQL lets it pass; `is_below` decides.
    """
    conditions = [_begins(UNDECODABLE)]
    if paths.root is not None and as_folder(paths.root).startswith(as_folder(root)):
        conditions.append(_begins(RELATIVE))
    for stored in {paths.encode(root), root}:
        if is_text(stored) and not stored.startswith(UNDECODABLE):
            conditions += [Image.path == stored, _begins(as_folder(stored))]
    return or_(*conditions)


def like(paths: PathCodec, pattern: str) -> ColumnElement[bool]:
    """Return the SQL condition that a path fits a LIKE pattern, or that SQL cannot tell."""
    fits = or_(Image.path.ilike(pattern, escape="\\"), _begins(UNDECODABLE))
    if paths.root is None:
        return fits
    relative, folder = _begins(RELATIVE), as_folder(paths.root)
    if not is_text(folder):
        return or_(relative, fits)
    whole = literal(folder) + func.substr(Image.path, len(RELATIVE) + 1)
    return or_(and_(not_(relative), fits), and_(relative, whole.ilike(pattern, escape="\\")))


def _begins(prefix: str) -> ColumnElement[bool]:
    return func.substr(Image.path, 1, len(prefix)) == prefix
