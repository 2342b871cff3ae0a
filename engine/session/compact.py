"""Giving back the room that removed images took."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from index.catalog.catalog import Catalog
    from index.store import Store


@dataclass(frozen=True, slots=True)
class CompactReport:
    """What `Engine.compact` did: bytes of the catalog and of the index, before and after."""

    catalog_bytes_before: int
    catalog_bytes: int
    index_bytes_before: int
    index_bytes: int
    seconds: float


def compact(catalog: Catalog, store: Store, compact_index: Callable[[], None]) -> CompactReport:
    """Make the files of a store as small as they can be; for the holder of its writer lock."""
    started = time.monotonic()
    before = catalog.database.size(), _bytes(store.index)
    catalog.compact()
    compact_index()
    after = catalog.database.size(), _bytes(store.index)
    return CompactReport(before[0], after[0], before[1], after[1], time.monotonic() - started)


def _bytes(path: Path) -> int:
    """Return the bytes of a file, or of the files in a folder."""
    if path.is_dir():
        return sum(_bytes(each) for each in path.iterdir())
    return path.stat().st_size if path.exists() else 0
