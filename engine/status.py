"""What a store holds, and whether it is in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.config import Config
from engine.heads.head import Head
from engine.heads.registry import head_info
from engine.results import Status
from index.catalog.catalog import Catalog
from index.store import Store
from index.sync import OpenedIndex, peek_index
from index.vectors.files import check_main, main_path, read_main_stamp, read_stamp


def status(catalog: Catalog, config: Config, heads: Sequence[Head]) -> Status:
    """Return the state of a store; nothing is changed."""
    store = config.store
    counts = catalog.counts()
    large = main_path(store.index)
    # Read whole before it is opened: FAISS trusts what it maps.
    damaged = read_main_stamp(large) is not None and not check_main(large)
    opened = None if damaged else peek_index(catalog, store.index)
    problems = catalog.problems() + _index_problems(large if damaged else None, opened)
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
        index=opened.vectors.kind if opened else "none yet",
        index_recall=opened.vectors.recall if opened else 0.0,
        index_state=_file_state(store, opened.state if opened else "rebuilt"),
        catalog_bytes=_size(store.folder / "catalog.sqlite"),
        index_bytes=_size(store.index) + _size(main_path(store.index)),
        writer=catalog.database.current_writer(),
        consistent=not problems,
        problems=problems,
    )


def _index_problems(damaged: Path | None, opened: OpenedIndex | None) -> list[str]:
    if damaged is not None:
        return [f"{damaged} is damaged; delete it, and it will be built anew from the catalog"]
    if opened is not None and len(opened.vectors) != opened.count:
        return [f"the index shows {len(opened.vectors)} of {opened.count} images"]
    return []


def _file_state(store: Store, state: str) -> str:
    if state == "current":
        return "current"
    if not store.index.exists():
        return "missing (will be rebuilt)"
    return "stale (will catch up)" if read_stamp(store.index) else "damaged (will be rebuilt)"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
