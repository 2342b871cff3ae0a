"""One shard: its files opened, embedded, and committed with the word that it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from math import inf

from engine.embedding.embedder import Embedder
from engine.heads.classifier import Classifier
from engine.ingest.batch_writer import IngestLimits, KnownHashes
from engine.ingest.cluster.job import ShardJob, outcome_text
from engine.ingest.comparison import looks_same
from engine.ingest.indexer import Indexer
from engine.ingest.labels.labels import Labels
from engine.ingest.planner import Plan, like_no_file
from engine.ingest.results import Count, Outcome
from index.catalog.catalog import Catalog
from index.catalog.shards import Claim, ListedFile

# What becomes of a file: one of these.
FILES: tuple[Count, ...] = ("added", "updated", "moved", "unchanged", "came_back")
# No commit before the last image, however many there are and however long they take.
WHOLE = IngestLimits(commit=2**62, commit_seconds=inf)


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
            outcome = indexer.outcome()
            catalog.shards.finish(claim, outcome_text(outcome), images=_images(claim, outcome))
            yield
            indexer.hide_gone()
        finished = True

    indexer = Indexer(
        catalog,
        embedder,
        _labels(claim, job),
        classifier,
        WHOLE,
        job.ingest,
        transaction=finishing,
        moves=False,
        hashes=hashes,
    )
    indexer.take(_plan(catalog, claim, job), whole=True)
    if not finished:
        # No image has changed.
        with finishing():
            pass


def _labels(claim: Claim, job: ShardJob) -> Labels:
    """Return the rule for the labels of a shard's images."""
    listed = not any(each.archive for each in claim.files)
    return ListedLabels(claim.files) if listed else deepcopy(job.labels)


def _plan(catalog: Catalog, claim: Claim, job: ShardJob) -> Plan:
    """Return what is to be opened: another worker may have done some of it in an earlier run."""
    files = [each.file for each in claim.files if not each.archive]
    known = catalog.images.known_at([file.path for file in files])
    rows = {
        path: like_no_file(row) if row.id in job.damaged else row for path, row in known.items()
    }
    tasks = [
        (file, row)
        for file, row in ((file, rows.get(file.path)) for file in files)
        if row is None or row.missing or job.ingest.verify or not looks_same(file, row)
    ]
    archives = [each.file for each in claim.files if each.archive]
    return Plan(tasks, archives, job.roots, job.damaged)


def _images(claim: Claim, outcome: Outcome) -> int:
    """Return how many images a shard has turned out to have."""
    if not any(each.archive for each in claim.files):
        return len(claim.files)
    return sum(outcome.counts.get(name, 0) for name in FILES) + len(outcome.skipped)
