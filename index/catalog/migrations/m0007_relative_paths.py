"""Paths relative to the folder that the store lies in, so that store and pictures move together."""

from __future__ import annotations

from sqlalchemy import Connection

from index.catalog.paths import codec_of
from index.catalog.rebase import make_relative


def apply(connection: Connection) -> None:
    """Store relative the path of every file below that folder."""
    make_relative(connection, codec_of(connection))
