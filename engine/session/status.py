"""What a store holds, and whether it is in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.config import Config
from engine.errors import HeadError
from engine.heads.results import HeadInfo

if TYPE_CHECKING:
    from engine.heads.head import Head
    from index.catalog.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Status:
    """What the store holds, and whether it is in order."""

    store: str
    backbone: str
    fingerprint: str
    dim: int
    precision: str
    dtype: str
    images: int
    missing: int
    labelled: int
    embeddings: int
    views: int
    judgements: int
    heads: Sequence[HeadInfo]
    categories: Mapping[str, int]
    index: str
    vectors: str
    index_recall: float
    index_state: str
    catalog_bytes: int
    index_bytes: int
    writer: str | None
    consistent: bool
    problems: Sequence[str]


def status(
    catalog: Catalog, config: Config, heads: Sequence[Head], damaged: Iterable[HeadError] = ()
) -> Status:
    """Return the state of a store; nothing is changed.

    Catalog and index are read whole and held against each other.

    Parameters
    ----------
    damaged
        Why other heads of the catalog cannot be used.
    """
    from engine.heads.outdated import head_infos
    from index.sync import check_index, vectors_of

    store, identity = config.store, catalog.identity
    address = catalog.vectors().with_account(config.vectors_given)
    index = check_index(catalog, vectors_of(catalog, store.index, address))
    problems = catalog.problems() + index.problems + [str(error) for error in damaged]
    counts = catalog.counts()
    return Status(
        store=store.name,
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
        judgements=counts.judgements,
        heads=head_infos(heads, catalog),
        categories=catalog.predictions.counts(),
        index=index.saved.kind or "none yet",
        vectors=address.name,
        index_recall=index.saved.recall,
        index_state=index.state,
        catalog_bytes=catalog.database.size(),
        index_bytes=index.saved.size,
        writer=catalog.database.current_writer(),
        consistent=not problems,
        problems=problems,
    )
