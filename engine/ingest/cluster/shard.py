"""One shard: its files opened, embedded, and committed with the word that it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from engine.embedding.embedder import Embedder
from engine.heads.classifier import Classifier
from engine.ingest.batch_writer import IngestLimits, KnownHashes
from engine.ingest.cluster.job import ShardJob, outcome_text
from engine.ingest.comparison import looks_same
from engine.ingest.indexer import Indexer, Task
from engine.ingest.labels import Labels
from engine.ingest.options import IngestOptions
from index.catalog.catalog import Catalog
from index.shards import Claim, ListedFile

# No commit before the last image.
WHOLE = IngestLimits(commit=2**62)


class ListedLabels(Labels):
    """The labels that were settled when a run was planned."""

    def __init__(self, files: Sequence[ListedFile]) -> None:
        self._labels: Mapping[str, str | None] = {
            each.file.path: each.label for each in files if each.labelled
        }

    def of(self, path: str, existing: str | None) -> str | None:
        """Return the label of the listing, else the one there was."""
        return self._labels.get(path, existing)


def embed_shard(
    catalog: Catalog,
    embedder: Embedder,
    classifier: Callable[[], Classifier],
    hashes: KnownHashes,
    claim: Claim,
    job: ShardJob,
) -> None:
    """Do a shard: all of it is committed, or nothing.

    Parameters
    ----------
    hashes
        The contents that the worker knows of: those of other workers' shards may be embedded again.

    Raises
    ------
    LeaseLostError
        Another worker has it by now.
    EngineError
        The catalog cannot be reached or written, ...
    """
    finished = False

    @contextmanager
    def finishing() -> Iterator[None]:
        nonlocal finished
        with catalog.database.together():
            catalog.shards.finish(claim, outcome_text(indexer.outcome()))
            yield
        finished = True

    indexer = Indexer(
        catalog,
        embedder,
        ListedLabels(claim.files),
        classifier,
        WHOLE,
        IngestOptions(verify=job.verify),
        transaction=finishing,
        moves=False,
        hashes=hashes,
    )
    indexer.take(_tasks(catalog, claim, job), whole=True)
    if not finished:
        # No image has changed.
        with finishing():
            pass


def _tasks(catalog: Catalog, claim: Claim, job: ShardJob) -> list[Task]:
    """Return what is to be opened: another worker may have done some of it in an earlier run."""
    files = [each.file for each in claim.files]
    known = catalog.images.known_at([file.path for file in files])
    tasks = [(file, known.get(file.path)) for file in files]
    return [
        (file, row)
        for file, row in tasks
        if row is None or row.missing or job.verify or not looks_same(file, row)
    ]
