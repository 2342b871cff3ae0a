"""What a run has to open, divided into shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from engine.ingest.cluster.options import ClusterOptions
from engine.ingest.indexer import Indexer
from engine.ingest.planner import Plan
from index.catalog.shards import ListedFile


def listings(
    indexer: Indexer, plan: Plan, failed: Sequence[ListedFile], options: ClusterOptions
) -> Iterator[list[ListedFile]]:
    """Yield the files of each shard; an archive is a shard of its own.

    Parameters
    ----------
    plan
        What is to be opened.
    failed
        Files that failed before: they are left out as long as they are the same.
    """
    before = {each.file for each in failed}
    left = (task for task in plan.tasks if task[0] not in before)
    size = options.images_of(len(plan.tasks))
    while some := list(islice(left, size)):
        yield [ListedFile(file, *indexer.label_of(file.path)) for file, _ in some]
    for archive in plan.archives:
        if archive not in before:
            yield [ListedFile(archive, archive=True)]
