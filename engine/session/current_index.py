"""The index of a store, kept in step with the catalog while others write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, RLock
from typing import TYPE_CHECKING, Self, TypeVar

from engine.progress import Reporter
from engine.session.index_warm_up import IndexWarmUp
from index.errors import (
    IndexDamagedError,
    IndexMovedError,
    ReadOnlyError,
    StoreError,
    StoreLockedError,
    VectorStoreError,
)

if TYPE_CHECKING:
    from index.catalog.catalog import Catalog
    from index.sync import OpenedIndex
    from index.vector_address import VectorAddress
    from index.vectors.index import VectorIndex

Answer = TypeVar("Answer")

# A writer may commit between the opening of an index and the question to it.
SNAPSHOT_ATTEMPTS = 5
# So often an answer is asked for that may be of two states.
ANSWER_ATTEMPTS = 5
# What has changed since shared vectors were brought in step lies in memory until they are again.
OVERLAID = 16_384
# A search that saves its index holds the lock of the files for as long as that takes.
PATIENCE_SECONDS = 60.0


class _WriterBuildsError(Exception):
    """A writer of this process is building the index that a search needs."""


@dataclass(slots=True)
class _Now:
    """What is open, and whether what is saved turned out to be damaged."""

    opened: OpenedIndex | None = None
    damaged: bool = False


class CurrentIndex:
    """The open index of one store; nothing is open before it is asked for.

    Searches bring it in step one at a time. That may take minutes, and whoever writes waits for no
    search that does it, nor does a search build what a writer is building.

    Parameters
    ----------
    folder
        Where the index's files are.
    reporter
        Hears of builds and of damage.
    alone
        Whether no writer may ever come to this machine: the store is a database. The files are
        then guarded by a lock of their own, and searches find the neighbours of all images, too,
        which is else for a writer to do.
    given
        Where the vectors are to be kept, and by which account; None for what the catalog remembers.

    Attributes
    ----------
    lock
        Held by the one search that brings the index in step.
    saving
        Held by a search that holds the store's writer lock.
    """

    def __init__(
        self,
        folder: Path,
        reporter: Reporter,
        *,
        alone: bool = False,
        given: VectorAddress | None = None,
    ) -> None:
        self.lock = RLock()
        self.saving = Lock()
        self._settling = Lock()  # held by a writer that brings the index's files in step
        self._folder = folder
        self._reporter = reporter
        self._alone = alone
        self._given = given
        self._now = _Now()
        self._warm_up = IndexWarmUp()

    def reporting_to(self, reporter: Reporter) -> Self:
        """Return the same index, of whose builds and damage another reporter hears."""
        other = copy(self)
        other._reporter = reporter
        return other

    def ask(self, catalog: Catalog, question: Callable[[Catalog, VectorIndex], Answer]) -> Answer:
        """Answer a question to catalog and index in one state.

        An index that turns out to be damaged is built anew, and asked once more; so is one that all
        share, where somebody has changed it meanwhile.
        """
        damaged = False
        for _ in range(ANSWER_ATTEMPTS):
            try:
                with self.snapshot(catalog) as index:
                    answer = question(catalog, index)
                    if not index.moved():
                        return answer
            except IndexMovedError:
                pass
            except IndexDamagedError:
                if damaged:
                    raise
                self._now.damaged = damaged = True
            self._now.opened = None
        raise IndexMovedError(
            catalog.database.name,
            f"its vectors were changed {ANSWER_ATTEMPTS} times while they were asked",
            "Try again in a while",
        )

    @contextmanager
    def snapshot(self, catalog: Catalog) -> Iterator[VectorIndex]:
        """Return the index in the state that the catalog stays in for the length of a `with` block.

        All that the block's thread reads of the catalog comes from one transaction; what others
        commit meanwhile is not seen.
        """
        from index.sync import open_index

        opened = self._now.opened
        for attempt in range(1 + SNAPSHOT_ATTEMPTS):
            # What was asked last is nearly always in step: nobody waits for a lock to find it so.
            if opened is not None:
                with catalog.database.snapshot():
                    if opened.state == catalog.state():
                        if attempt == 0:
                            self._warm(opened)
                        yield opened.vectors
                        return
            opened = self.in_step(catalog)
        # Others commit faster than an index can follow: it follows this transaction alone.
        with catalog.database.snapshot():
            yield open_index(catalog, self._vectors(catalog)).vectors

    def lag(self, catalog: Catalog, images: int) -> int | None:
        """Return how many of so many images the open index does not show; None while none is open.

        Nothing is opened or brought in step for it.
        """
        opened = self._now.opened
        if opened is None:
            return None
        # As many may have come as have gone: then one stands for them.
        return 0 if opened.state == catalog.state() else max(1, images - len(opened.vectors))

    def in_step(self, catalog: Catalog) -> OpenedIndex:
        """Return the index in step with the catalog, and save what that took if possible."""
        with self.lock:
            opened = self._now.opened
            if opened is not None and opened.state == catalog.state():
                self._warm(opened)
                return opened
            while True:
                try:
                    self._now.opened = self._brought_in_step(catalog)
                    return self._now.opened
                except _WriterBuildsError:
                    with self._settling:
                        pass

    def _warm(self, opened: OpenedIndex) -> None:
        """Read an index in the background: whoever searches twice will go on searching."""
        if self._warm_up.has(opened) or not self.lock.acquire(blocking=False):
            return
        try:
            # Meanwhile it may have been exchanged, and its files released.
            if opened is self._now.opened:
                self._warm_up.start(opened)
        finally:
            self.lock.release()

    def _vectors(self, catalog: Catalog) -> VectorIndex:
        """Return the index, not opened, from where its vectors are kept."""
        from index.sync import vectors_of

        address = catalog.vectors().with_account(self._given)
        return vectors_of(catalog, self._folder, address)

    def require_vectors(self) -> None:
        """Insist that vectors can be kept where it was asked for; see `vector_moves.py`."""
        if self._given is not None:
            from engine.session.vector_moves import require_address

            require_address(self._given)

    def keep_vectors(self, catalog: Catalog) -> None:
        """Keep the vectors where it was asked for; under the writer lock."""
        given = self._given
        if given is not None and given.name != catalog.vectors().name:
            from engine.session.vector_moves import move_vectors

            self._now.opened = None
            move_vectors(catalog, self._folder, given, self._reporter, PATIENCE_SECONDS)

    def _brought_in_step(self, catalog: Catalog) -> OpenedIndex:
        from index.sync import CatchUpLimits, arrange_index, open_index

        vectors = self._vectors(catalog)
        shared = vectors.shared
        followed = shared and self._followed(catalog, vectors)
        opened = open_index(
            catalog,
            vectors,
            anew=self._now.damaged and not followed,
            progress=self._building,
            before_build=self._leave_to_writer,
            limits=CatchUpLimits(OVERLAID, 0.0) if shared else None,
        )
        self._now.damaged = False
        saved = shared or opened.origin == "current" or self._saved(catalog, opened)
        self._tell_damage(catalog, opened)
        # While somebody writes it would be due again soon.
        due = self._alone and saved and catalog.database.current_writer() is None
        if due and arrange_index(opened, catalog, self._building) and not shared:
            self._saved(catalog, opened)
        return opened

    def _followed(self, catalog: Catalog, vectors: VectorIndex) -> bool:
        """Bring shared vectors in step, unless another process does; return whether that was done.

        Who may only read lays over them what has changed.
        """
        from index.sync import follow_catalog

        with suppress(StoreLockedError, ReadOnlyError), catalog.database.vectors_lock():
            follow_catalog(catalog, vectors, self._building, anew=self._now.damaged)
            return True
        return False

    def _saved(self, catalog: Catalog, opened: OpenedIndex) -> bool:
        """Save an index, and return whether that was done.

        Where a writer is busy it will save, and a read-only store stays as it is.
        """
        from index.sync import save_index

        with self.saving, suppress(StoreError), self._files_lock(catalog):
            return save_index(opened, catalog)
        return False

    @contextmanager
    def _files_lock(self, catalog: Catalog, wait_seconds: float = 0.0) -> Iterator[None]:
        """Be the only one who writes the index's files, for the length of a `with` block."""
        if not self._alone:
            with catalog.database.writer_lock(wait_seconds=wait_seconds):
                yield
            return
        from index.files.lock import writer_lock

        with writer_lock(self._folder.parent, wait_seconds=wait_seconds):
            yield

    def settle(self, catalog: Catalog, *, compact: bool = False) -> None:
        """Bring the index's files in step with the catalog, as small as can be with `compact`.

        Under the writer lock. It waits for no search: one that builds the index may take as long.
        Where vectors are kept out of reach, that is announced: a later search or run does it.
        """
        opened = self._now.opened
        if opened is not None and opened.state != catalog.state():
            # There is not always room for two.
            self._now.opened = None
        vectors = self._vectors(catalog)
        if not vectors.shared:
            self._settle(catalog, vectors, compact)
            return
        try:
            with catalog.database.vectors_lock(wait_seconds=PATIENCE_SECONDS):
                self._settle(catalog, vectors, compact)
        except (VectorStoreError, StoreLockedError) as error:
            told = "the vectors were not brought in step; the next search does that"
            self._reporter.announce(f"{told}: {error}")
        finally:
            # Others may wait for a file that only one process can open.
            vectors.close()

    def _settle(self, catalog: Catalog, vectors: VectorIndex, compact: bool) -> None:
        from index.sync import compact_index, settle_index

        settle = compact_index if compact else settle_index
        with ExitStack() as stack:
            stack.enter_context(self._settling)
            if self._alone and not vectors.shared:
                stack.enter_context(self._files_lock(catalog, PATIENCE_SECONDS))
            opened = settle(catalog, vectors, self._building)
            if opened is not None:
                self._tell_damage(catalog, opened)
                self._now.opened = opened

    def close(self) -> None:
        """Release the index's files, and end the thread that reads ahead. Under `lock`."""
        self._warm_up.stop()
        if self._now.opened is not None:
            self._now.opened.vectors.close()
            self._now.opened = None

    def _leave_to_writer(self) -> None:
        if self._settling.locked():
            raise _WriterBuildsError

    def _tell_damage(self, catalog: Catalog, opened: OpenedIndex) -> None:
        from index.sync import damage_told

        if opened.was_damaged:
            self._reporter.announce("the index was damaged, and was built anew from the catalog")
        for problem in damage_told(catalog, opened.damaged):
            self._reporter.announce(problem)

    def _building(self, done: int, total: int) -> None:
        self._reporter.progress("building the index", done, total, "images")
