"""Indexing: bringing the catalog in step with folders of images.

A file that looks the same is not opened. One that is opened is hashed first: content the catalog
knows is not decoded again, wherever it lies now. What remains is decoded by threads, embedded in
batches, and committed every few seconds, so that whatever happens, what was finished is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing
from functools import partial
from typing import TypeAlias

from engine.embedding.embedder import Embedder
from engine.errors import ImageError
from engine.heads.classifier import Classifier
from engine.ingest.batch_writer import BatchWriter, IngestLimits, KnownHashes
from engine.ingest.comparison import Archives
from engine.ingest.labels.labels import Labels
from engine.ingest.options import IngestOptions
from engine.ingest.planner import Plan, Planner, Task
from engine.ingest.results import IndexReport, Outcome
from engine.ingest.same_content import SameContent
from engine.ingest.tally import Tally
from engine.pictures.preprocess import Pixels
from engine.pictures.read import content_hash, read_file
from engine.pictures.sources.paths import is_remote, lexists
from engine.pictures.threads.memory import Reserve
from engine.pictures.threads.prefetch import prefetch
from engine.pictures.walk import members_below
from engine.skipped import Skipped
from index.catalog.catalog import Catalog
from index.catalog.paths import is_below
from index.records import FileState, ImageFacts, ImageRow, KnownImage

# Stands for the label that an image has, where a rule is asked whether it gives another one.
NO_OTHER = "the label that there is"
# What is left to do in the caller's thread for a file that a thread has opened.
Step: TypeAlias = Callable[[], None]


class Indexer:
    """One run of indexing.

    Parameters
    ----------
    catalog
        Where to remember. The caller holds the store's writer lock.
    embedder, classifier
        The backbone, and who names the images' categories, made when first needed.
    labels
        Where labels come from.
    limits
        How much is held and done at once.
    options
        What is asked of the run.
    transaction
        Holds all that one commit changes; by default a transaction of the catalog.
    moves
        Whether a file may be an image that has left its path; else it is a copy of it.
    hashes
        The contents that are known, where several runs share them.
    """

    def __init__(
        self,
        catalog: Catalog,
        embedder: Embedder,
        labels: Labels,
        classifier: Callable[[], Classifier],
        limits: IngestLimits | None = None,
        options: IngestOptions | None = None,
        *,
        transaction: Callable[[], AbstractContextManager[None]] | None = None,
        moves: bool = True,
        hashes: KnownHashes | None = None,
    ) -> None:
        self._moves = moves
        self._options = options or IngestOptions()
        self._limits = limits or IngestLimits()
        self._catalog = catalog
        self._embedder = embedder
        self._labels = labels
        self._urls = embedder.config.urls
        self._done = 0
        self._roots: frozenset[str] = frozenset()
        self._same_content = SameContent(catalog, self._has_left)
        self._archives = Archives(catalog, self._options.rules, labels=labels.from_archives)
        self._hashes = hashes or KnownHashes(catalog, self._limits)
        self._writer = BatchWriter(
            catalog, embedder, classifier, self._hashes, self._limits, transaction
        )
        self._tally = Tally()
        self._planner = Planner(
            catalog,
            embedder,
            labels,
            self._limits,
            self._options,
            self._archives,
            self._writer,
            self._tally,
        )

    def run(self, paths: Sequence[str]) -> None:
        """Index everything at or below `paths`.

        Raises
        ------
        KeyboardInterrupt
            As the user asked; what was finished is committed.
        """
        self.take(self.plan(paths))
        self.hide_gone()

    def plan(self, paths: Sequence[str]) -> Plan:
        """Settle what needs no opening at or below `paths`, and return what is to be opened.

        Raises
        ------
        CatalogDamagedError
            The file of the catalog is damaged: to write into it would make that worse.
        """
        return self._planner.plan(paths)

    def take(self, plan: Plan, *, whole: bool = False) -> None:
        """Open files and archives, and commit what they hold.

        Parameters
        ----------
        whole
            An interrupt keeps nothing of them, instead of what was finished.
        """
        self._planner.damaged, self._roots = plan.damaged, plan.roots
        try:
            self._open_files(plan.tasks)
            for archive in plan.archives:
                self._open_archive(archive, plan.roots, whole=whole)
            self._writer.flush()
        except KeyboardInterrupt:
            if not whole:
                self._writer.flush()
                self._archives.save()
            raise
        finally:
            self._writer.close()
        if not whole:
            self._archives.save()

    def hide_gone(self) -> None:
        """Mark as gone the images whose files were not found any more."""
        self._catalog.images.hide(list(self._tally.gone))

    def label_of(self, path: str) -> tuple[str | None, bool]:
        """Return the label that the rule gives to a file, and whether it gives one, or none."""
        label = self._labels.of(path, NO_OTHER)
        return (None, False) if label is NO_OTHER else (label, True)

    def outcome(self) -> Outcome:
        """Return what became of the files that were taken."""
        return self._tally.outcome(self._writer.embedded, self._archives.noted, self._labels)

    def report(self, seconds: float) -> IndexReport:
        """Return what the run did, in so many seconds."""
        images = self._catalog.image_count()
        return self._tally.report(
            self._writer.embedded, images, self._embedder, self._labels, seconds
        )

    def add(self, outcome: Outcome) -> None:
        """Count in what became of files that another one has taken."""
        self._tally.add(outcome)

    def skip(self, skipped: Skipped) -> None:
        """Count in what could not be used."""
        self._tally.skip(skipped)

    def hear_of(self, archives: Sequence[FileState]) -> None:
        """Let the rule for labels hear of the pictures of archives that another one has opened."""
        if archives:
            known = self._catalog.images.known([archive.path for archive in archives])
            paths = {path for path, row in known.items() if not row.missing}
            paths |= {skipped.path for skipped in self._tally.skipped}
            self._labels.expect(sorted(paths), self._planner.labels_in_use)

    def _open_files(self, tasks: Sequence[Task]) -> None:
        """Open files; what they hold is committed by and by."""
        self._hashes.expect(len(tasks))
        total = self._done + len(tasks)
        with closing(self._opened(tasks)) as steps:
            for step in steps:
                step()
                self._done += 1
                self._embedder.reporter.progress("indexing", self._done, total, "images")

    def _open_archive(self, archive: FileState, roots: frozenset[str], *, whole: bool) -> None:
        """Bring the catalog in step with the images of an archive."""
        if is_remote(archive.path):
            size = f"{archive.size / 1e6:.3g} MB" if archive.size else "of unknown size"
            self._embedder.reporter.announce(f"copying {archive.path} ({size})")
        # An archive may refer to what was found before.
        self._writer.flush()
        part = members_below(
            archive,
            roots,
            self._options.rules,
            labels=self._labels.from_archives,
            urls=self._urls,
        )
        skipped = len(self._tally.skipped)
        self._labels.told(part.labels)
        tasks = self._planner.settled(part, self._planner.known(part))
        if not whole:
            # A copy has the label that its twin has by now.
            self._writer.flush()
        self._open_files(tasks)
        complete = len(self._tally.skipped) == skipped and not part.unseen
        if complete and is_below(archive.path, roots):
            # With what is committed now; an error that comes instead saves nothing of this.
            self._archives.indexed(archive, len(part.files))
        self._writer.flush()

    def _opened(self, tasks: Sequence[Task]) -> Generator[Step, None, None]:
        workers = self._embedder.config.decoders
        if any(is_remote(file.path) for file, _ in tasks):
            workers = max(workers, self._limits.readers)
        window = self._limits.prefetch + workers
        return prefetch(lambda task: self._open(*task), tasks, workers=workers, window=window)

    def _open(self, file: FileState, known: KnownImage | None, reuse: bool = True) -> Step:
        """Read one file; runs in a thread. With `reuse`, known content is not decoded."""
        try:
            read = partial(self._read, file, known, reuse)
            return self._embedder.memory.turn(file.path, read)
        except ImageError as error:
            return partial(self._tally.skip, Skipped.of(file.path, error))

    def _read(
        self, file: FileState, known: KnownImage | None, reuse: bool, reserve: Reserve
    ) -> Step:
        scanned_ns = time.time_ns()
        most = self._embedder.config.max_file_bytes
        data = read_file(file.path, most, reserve, urls=self._urls, size=file.size)
        digest = content_hash(data)
        if known is not None and known.content_hash == digest:
            return partial(self._still_right, file, known, scanned_ns)
        damaged = known is not None and known.id in self._planner.damaged
        if reuse and not damaged and digest in self._hashes:
            return partial(self._reuse, file, known, scanned_ns, digest)
        image = self._embedder.image(data, file.path, reserve)
        pixels = self._embedder.backbone.preprocessing.pixels(image.pixels)
        label = self._labels.of(file.path, known.label if known else None)
        facts = ImageFacts(file, scanned_ns, digest, image.width, image.height, image.format, label)
        return partial(self._add, known, facts, pixels, image.note)

    def _add(self, known: KnownImage | None, facts: ImageFacts, pixels: Pixels, note: str) -> None:
        if note:
            self._tally.remark(note, facts.file.path)
        self._tally.new_content(known, facts.label)
        self._writer.add(known.id if known else None, facts, pixels)

    def _still_right(self, file: FileState, known: KnownImage, scanned_ns: int) -> None:
        """The content is what the row says; only the time stamp was new."""
        self._writer.add_known(known.id, file, scanned_ns)
        self._relabel(known, known.path)
        self._tally.counts["came_back" if known.missing else "unchanged"] += 1

    def _reuse(
        self, file: FileState, known: KnownImage | None, scanned_ns: int, digest: str
    ) -> None:
        """Known content under another path: moved from there, or a copy of it."""
        found = self._same_content.find(digest, file.path, may_move=known is None)
        if isinstance(found, KnownImage) and not self._moves:
            found = self._left_behind(found)
        if found is None or found.id in self._planner.damaged:
            # The rows have changed since the thread looked, or hold nothing to be reused.
            if isinstance(found, KnownImage):
                self._tally.gone.pop(found.id, None)
                known = self._planner.to_embed_again(found)
            self._embed_anyway(file, known)
            return
        if isinstance(found, KnownImage):
            self._move(found, file, scanned_ns)
            return
        _, vectors = self._catalog.embeddings.of([found.id])
        # What a person said of an image holds for a copy of it, unless the rule knows better.
        label = self._labels.of(file.path, known.label if known else found.label)
        facts = ImageFacts(file, scanned_ns, digest, found.width, found.height, found.format, label)
        self._tally.new_content(known, label)
        self._writer.add_embedded(known.id if known else None, facts, vectors)

    def _left_behind(self, image: KnownImage) -> ImageRow | None:
        """Return an image whose file has left its path, of which another one is a copy for now."""
        if not is_below(image.path, self._roots):
            # Whoever has looked at what was named does not know that it is gone.
            self._tally.gone[image.id] = image
        return self._catalog.images.rows([image.id]).get(image.id)

    def _embed_anyway(self, file: FileState, known: KnownImage | None) -> None:
        again = partial(self._open, file, reuse=False)
        # In a thread of its own, as all that may take too long.
        with closing(prefetch(again, [known], workers=1, window=1)) as steps:
            for step in steps:
                step()

    def _has_left(self, twin: KnownImage) -> bool:
        """Say whether an image's file is gone from its path, and not just out of sight."""
        if twin.id in self._tally.gone:
            # Also where its path is now another name of a folder that was walked under its own.
            return True
        return not lexists(twin.path) and (
            twin.missing or not is_below(twin.path, self._planner.out_of_sight)
        )

    def _move(self, twin: KnownImage, file: FileState, scanned_ns: int) -> None:
        self._tally.gone.pop(twin.id, None)
        self._writer.add_known(twin.id, file, scanned_ns)
        self._relabel(twin, file.path)
        self._tally.counts["moved"] += 1

    def _relabel(self, row: KnownImage, path: str) -> None:
        label = self._labels.of(path, row.label)
        if label != row.label:
            self._tally.counts["relabelled"] += 1
            self._writer.relabel(row.id, label)
