"""What a worker is told: where the catalog is, which run it works for, and how."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

from engine.config import Config
from engine.embedding.embedder import Embedder
from engine.ingest.cluster.options import ClusterOptions
from engine.ingest.labels.labels import KeepLabels, Labels
from engine.ingest.options import IngestOptions
from engine.ingest.results import Outcome
from engine.progress import Reporter
from engine.skipped import Skipped
from index.catalog.shards import Run
from index.catalog.tables.folders import KnownArchive

# Makes a worker's embedder; None for the catalog's own.
MakeEmbedder: TypeAlias = Callable[[Config, Reporter], Embedder]


@dataclass(frozen=True, slots=True)
class ShardJob:
    """The work of a run, as it is sent to every worker; it holds no picture and no embedding.

    Attributes
    ----------
    config
        How to work. A worker on another machine takes that machine's folders.
    run
        Whose shards are to be done.
    labels
        The rule by which images in archives get labels; other files have theirs in the ledger.
    ingest
        What is asked of the run.
    roots
        What was named.
    damaged
        Images whose stored embedding is damaged.
    """

    config: Config
    run: Run
    options: ClusterOptions
    labels: Labels = field(default_factory=KeepLabels)
    ingest: IngestOptions = field(default_factory=IngestOptions)
    roots: frozenset[str] = frozenset()
    damaged: frozenset[int] = frozenset()
    make_embedder: MakeEmbedder | None = None

    @property
    def lease(self) -> timedelta:
        """How long a shard is claimed for."""
        return timedelta(seconds=self.options.lease_seconds)


def outcome_text(outcome: Outcome) -> str:
    """Return an outcome as JSON, for the ledger."""
    facts = {
        "counts": dict(outcome.counts),
        "embedded": outcome.embedded,
        "skipped": [asdict(each) for each in outcome.skipped],
        "remarks": outcome.remarks,
        "archives": {path: astuple(each) for path, each in outcome.archives.items()},
        "removed": outcome.removed,
        "left_out": outcome.left_out,
        "excluded": outcome.excluded,
        "notes": outcome.notes,
    }
    return json.dumps(facts)


def outcome_of(text: str) -> Outcome:
    """Return the outcome that was written as `text`."""
    facts: dict[str, Any] = json.loads(text)
    facts["skipped"] = [Skipped(**each) for each in facts["skipped"]]
    facts["archives"] = {path: KnownArchive(*each) for path, each in facts["archives"].items()}
    return Outcome(**facts)
