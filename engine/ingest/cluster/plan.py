"""What a run has to open, divided into shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from engine.ingest.cluster.options import ClusterOptions
from engine.ingest.indexer import Indexer, Task
from index.shards import ListedFile


def listings(
    indexer: Indexer, tasks: Sequence[Task], failed: Sequence[ListedFile], options: ClusterOptions
) -> Iterator[list[ListedFile]]:
    """Yield the files of each shard.

    Parameters
    ----------
    tasks
        What is to be opened, in order of path.
    failed
        Files that failed before: they are left out as long as they are the same.
    """
    before = {each.file for each in failed}
    left = (task for task in tasks if task[0] not in before)
    while some := list(islice(left, options.shard_images)):
        yield [ListedFile(task[0], indexer.label_of(task), True) for task in some]
