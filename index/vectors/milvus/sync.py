"""Bringing a collection in step with the catalog, in place and a piece at a time.

    stamp(base, target)  ->  upserts and deletions  ->  flush  ->  stamp(target)

Whenever a process is killed, the stamp says from which state to go on; what was done twice is as
if it was done once. Only for who holds the lock of shared vectors.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from index.errors import VectorStoreError
from index.records import Floats, Ids
from index.vectors.index import Progress, Source
from index.vectors.milvus.collection import Collection
from index.vectors.milvus.conditions import among
from index.vectors.milvus.kinds import KINDS, Kind, choose_kind, masked_effort
from index.vectors.milvus.measure import measured
from index.vectors.milvus.stamp import Stamp

# Fewer changes are searched as they are until there are more.
FLUSHED = 256
# An approximate index is measured again when it has grown by this.
GROWTH = 2.0


class CollectionSync:
    """One bringing in step.

    Parameters
    ----------
    collection
        What is changed.
    source
        What it is to show.
    progress
        Is told how many images of how many were written.
    """

    def __init__(
        self, collection: Collection, source: Source, progress: Progress | None = None
    ) -> None:
        self._collection = collection
        self._source = source
        self._progress = progress

    def run(self, *, anew: bool = False) -> Stamp:
        """Bring the collection in step, or fill it anew; return the stamp that it has now."""
        kind = choose_kind(self._source.preference.kind, lite=self._collection.is_lite)
        stamp = self._collection.stamp() if self._collection.is_ours() else None
        if anew or stamp is None or stamp.base is None or stamp.kind != kind.name:
            return self._filled(kind)
        if stamp.target is None and stamp.base == self._source.state:
            return stamp
        reached = [state for state in (stamp.base, stamp.target) if state is not None]
        if not all(map(self._source.was_in, reached)):
            return self._filled(kind)
        return self._caught_up(stamp, stamp.base.generation) or self._filled(kind)

    def _caught_up(self, stamp: Stamp, since: int) -> Stamp | None:
        """Write what has changed; None where the collection turns out to lack other images."""
        source, state = self._source, self._source.state
        stamp = stamp.towards(state)
        self._collection.write_stamp(stamp)
        changed = np.unique(source.changed(since))
        written = self._written(since, source.count_changed(since))
        self._collection.delete(np.setdiff1d(changed, written))
        if len(changed) >= FLUSHED:
            self._collection.flush()
        count = self._collection.count()
        if not source.count - stamp.left_out <= count <= source.count:
            return None
        return self._finished(replace(stamp, count=count))

    def _filled(self, kind: Kind) -> Stamp:
        """Make the collection anew, of all images."""
        source = self._source
        self._collection.create(kind)
        stamp = Stamp(None, source.state, kind=kind.name)
        self._collection.write_stamp(stamp)
        before = source.count
        ids = self._written(None, before)
        self._collection.flush()
        left_out = before - len(ids)
        return self._finished(replace(stamp, count=len(ids), left_out=left_out))

    def _written(self, since: int | None, expected: int) -> Ids:
        """Put images under their ids; return which these were, ascending."""
        done, parts = 0, [np.zeros(0, np.int64)]
        self._tell(done, expected)
        for ids, unit in self._source.chunks(since):
            self._collection.upsert(ids, unit, self._source.state.generation)
            parts.append(ids)
            done += len(ids)
            self._tell(done, expected)
        return np.concatenate(parts)

    def _finished(self, stamp: Stamp) -> Stamp:
        """Say that the target is reached."""
        if KINDS[stamp.kind].effort and stamp.count > GROWTH * stamp.measured_on:
            effort, recall = measured(self._source, self._found)
            stamp = replace(stamp, effort=effort, recall=recall, measured_on=stamp.count)
        current = self._collection.stamp()
        if current is None or current.nonce != stamp.nonce:
            raise VectorStoreError(
                self._collection.connection.address.name,
                "another store has changed these vectors meanwhile: it is a copy of this one",
                "Use one of them at a time, or keep the vectors of each elsewhere (--vectors)",
            )
        done = stamp.reached()
        self._collection.write_stamp(done)
        return done

    def _found(self, queries: Floats, k: int, effort: int, mask: Ids | None) -> Ids:
        """Search as `CollectionSearch` does."""
        condition = "" if mask is None else among(mask)
        if mask is not None:
            effort = masked_effort(effort, self._source.count, len(mask))
        params = KINDS["HNSW"].searched(effort, k)
        return self._collection.search(queries, k, condition, params)[1]

    def _tell(self, done: int, total: int) -> None:
        # A few are written sooner than anybody reads of it.
        if self._progress is not None and total > FLUSHED:
            self._progress(min(done, total), total)
