"""Numbered steps that bring a catalog of any age to today's tables, one idea each.

A step is a module `mNNNN_what.py` with a function `apply(connection)`. Steps are never edited once
released; a change to the tables is a new step. The number of the last one applied is the setting
`schema`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sqlalchemy import Connection

from index.catalog.sql.migrations import (
    m0001_tables,
    m0002_removals,
    m0003_networks,
    m0004_built_in,
    m0005_generations,
    m0006_inodes,
    m0007_relative_paths,
    m0008_checksums,
)

# Catalogs from this version on can be read without the steps that they lack.
READABLE = 4
# From this version on there are inodes.
INODES = 6
# From this version on stored vectors have checksums.
CHECKSUMS = 8

Step: TypeAlias = Callable[[Connection], None]

MIGRATIONS: tuple[Step, ...] = (
    m0001_tables.apply,
    m0002_removals.apply,
    m0003_networks.apply,
    m0004_built_in.apply,
    m0005_generations.apply,
    m0006_inodes.apply,
    m0007_relative_paths.apply,
    m0008_checksums.apply,
)
