"""Numbered steps that bring a catalog of any age to today's tables, one idea each.

A step is a module `mNNNN_what.py` with a function `apply(connection)`. Steps are never edited once
released; a change to the tables is a new step. The number of the last one applied is the setting
`schema`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TypeAlias

from sqlalchemy import Connection

# Catalogs from this version on can be read without the steps that they lack.
READABLE = 4
# From this version on there are inodes.
INODES = 6
# From this version on stored vectors have checksums.
CHECKSUMS = 8
# From this version on there are judgements, and pairs of contents that are no copies.
JUDGEMENTS = 9
# From this version on there is a ledger of shards.
SHARDS = 10

Step: TypeAlias = Callable[[Connection], None]


def _step(module: str) -> Step:
    """Return a step that is imported when it is taken: nearly every catalog has seen them all."""

    def apply(connection: Connection) -> None:
        import_module(f"{__name__}.{module}").apply(connection)

    return apply


MIGRATIONS: tuple[Step, ...] = (
    _step("m0001_tables"),
    _step("m0002_removals"),
    _step("m0003_networks"),
    _step("m0004_built_in"),
    _step("m0005_generations"),
    _step("m0006_inodes"),
    _step("m0007_relative_paths"),
    _step("m0008_checksums"),
    _step("m0009_judgements"),
    _step("m0010_shards"),
)
