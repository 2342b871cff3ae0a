"""What a store holds, and whether it is in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.config import Config
from engine.heads.head import Head
from engine.heads.registry import head_info
from engine.results import Status
from index.catalog import Catalog
from index.lock import current_writer
from index.store import Store
from index.sync import open_index, read_stamp


def status(catalog: Catalog, config: Config, heads: Sequence[Head]) -> Status:
    """Return the state of a store; nothing is changed."""
    store = config.store
    counts = catalog.counts()
    opened = open_index(catalog, store.index)
    problems = catalog.problems()
    if len(opened.vectors) != opened.count:
        problems.append(f"the index shows {len(opened.vectors)} of {opened.count} images")
    identity = catalog.identity
    return Status(
        store=str(store.folder),
        backbone=identity.backbone,
        fingerprint=identity.fingerprint,
        dim=identity.dim,
        precision=identity.precision,
        dtype=identity.dtype,
        images=counts.images,
        missing=counts.missing,
        labelled=counts.labelled,
        embeddings=counts.embeddings,
        views=counts.views,
        heads=[head_info(head) for head in heads],
        categories=catalog.predictions.counts(),
        index=opened.vectors.kind,
        index_state=_file_state(store, opened.state),
        catalog_bytes=_size(store.folder / "catalog.sqlite"),
        index_bytes=_size(store.index),
        writer=current_writer(store.folder),
        consistent=not problems,
        problems=problems,
    )


def _file_state(store: Store, state: str) -> str:
    if state == "current":
        return "current"
    if not store.index.exists():
        return "missing (will be rebuilt)"
    return "stale (will catch up)" if read_stamp(store.index) else "damaged (will be rebuilt)"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
