"""What a store holds, and whether it is in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine.config import Config
from engine.errors import HeadError
from engine.heads.results import HeadInfo

if TYPE_CHECKING:
    from engine.heads.head import Head
    from index.catalog.catalog import Catalog


@dataclass(frozen=True, slots=True)
class ShardFailure:
    """A shard that failed: its first and last path, how many files it has, and why."""

    first: str
    last: str
    files: int
    error: str


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """How far the last run on a cluster has come.

    Attributes
    ----------
    source
        What is indexed.
    todo, running, done, failed
        How many shards are in each state.
    images, images_done, images_failed
        Pictures of all shards, of those that are embedded, and of shards that failed.
    images_per_second
        Since the run began; 0 where it is over.
    seconds_left
        At that rate; None where it is over, or nothing is done yet.
    workers
        Who is at work.
    failures
        Shards that failed, some of them.
    """

    source: str
    started_at: datetime
    todo: int
    running: int
    done: int
    failed: int
    images: int
    images_done: int
    images_failed: int
    images_per_second: float
    seconds_left: float | None
    workers: Sequence[str]
    failures: Sequence[ShardFailure]


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
    shards: ShardStatus | None = None


def shard_status(catalog: Catalog, now: datetime | None = None) -> ShardStatus | None:
    """Return how far the last run on a cluster has come, None where there was none."""
    run = catalog.shards.run()
    progress = catalog.shards.progress(run) if run else None
    if run is None or progress is None:
        return None
    elapsed = ((now or datetime.now(UTC)) - run.started_at).total_seconds()
    rate = progress.done / elapsed if progress.open and elapsed > 0 else 0.0
    left = progress.images - progress.failed_images - progress.done
    count = progress.shards.get
    return ShardStatus(
        source=run.source,
        started_at=run.started_at,
        todo=count("todo", 0),
        running=count("running", 0),
        done=count("done", 0),
        failed=count("failed", 0),
        images=progress.images,
        images_done=progress.done,
        images_failed=progress.failed_images,
        images_per_second=rate,
        seconds_left=left / rate if rate else None,
        workers=progress.workers,
        failures=[
            ShardFailure(each.first, each.last, each.n, each.error) for each in progress.failures
        ],
    )


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
        shards=shard_status(catalog),
    )
