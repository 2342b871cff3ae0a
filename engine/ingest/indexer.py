"""Indexing: bringing the catalog in step with folders of pictures.

A file that looks the same is not opened. One that is opened is hashed first: content the catalog
knows is not decoded again, wherever it lies now. What remains is decoded by threads, embedded in
batches, and committed every few seconds, so that whatever happens, what was finished is kept.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from engine.embedding.embedder import Embedder
from engine.errors import ImageError
from engine.heads.classifier import Classifier
from engine.ingest.batch_writer import BatchWriter
from engine.ingest.known_hashes import Contents
from engine.ingest.labels import Labels
from engine.pictures.decode import content_hash, read_file
from engine.pictures.prefetch import ahead
from engine.pictures.preprocess import Pixels
from engine.pictures.walk import Found, find_images
from engine.results import Skipped
from index.catalog.catalog import Catalog
from index.catalog.path_prefix import is_below
from index.records import FileState, ImageFacts, KnownImage

# A file's time stamp may be this coarse: a file changed so shortly after it was scanned could look
# the same, so one that was younger than this at its last scan is looked at again.
YOUNG_NS = 2_000_000_000
# Pictures decoded before the backbone asks for them; each takes 150 KB.
AHEAD = 64


@dataclass(slots=True)
class Counts:
    """What happened to the files, by kind."""

    added: int = 0
    updated: int = 0
    moved: int = 0
    unchanged: int = 0
    removed: int = 0
    came_back: int = 0
    embedded: int = 0


@dataclass(frozen=True, slots=True)
class _Task:
    """A file to open, and the row that its path has."""

    file: FileState
    known: KnownImage | None


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file that was read. `twin` says that the catalog has this content under
    some path; `pixels` are there where it has not; neither where the row is right as it is."""

    task: _Task
    scanned_ns: int
    content_hash: str
    twin: bool = False
    pixels: Pixels | None = None
    size: tuple[int, int] = (0, 0)
    format: str = ""
    error: ImageError | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What indexing came to."""

    counts: Counts
    skipped: list[Skipped]
    notes: list[str]


class Indexer:
    """One run of indexing.

    Parameters
    ----------
    catalog
        Where to remember. The caller holds the store's writer lock.
    embedder, classifier
        The backbone, and who names the pictures' categories, made when first needed.
    labels
        Where labels come from.
    """

    def __init__(
        self,
        catalog: Catalog,
        embedder: Embedder,
        labels: Labels,
        classifier: Callable[[], Classifier],
    ) -> None:
        self._catalog = catalog
        self._embedder = embedder
        self._labels = labels
        self._counts = Counts()
        self._skipped: list[Skipped] = []
        self._gone: dict[int, KnownImage] = {}
        self._moved: set[int] = set()
        self._out_of_sight: frozenset[str] = frozenset()
        self._contents = Contents(catalog)
        self._writer = BatchWriter(catalog, embedder, classifier, self._contents.add)

    def run(self, paths: Iterable[str]) -> Outcome:
        """Index everything at or below `paths`.

        Raises
        ------
        KeyboardInterrupt
            As the user asked; what was finished is committed.
        """
        found = find_images(list(paths))
        self._skipped += found.skipped
        tasks, notes = self._plan(found)
        self._contents.expect(len(tasks))
        try:
            for number, opened in enumerate(self._opened(tasks), start=1):
                self._settle(opened)
                self._embedder.reporter.progress("indexing", number, len(tasks), "images")
            self._writer.flush()
        except KeyboardInterrupt:
            self._writer.flush()
            raise
        finally:
            self._writer.close()
        self._counts.embedded = self._writer.embedded
        self._catalog.images.hide(list(self._gone))
        self._counts.removed = len(self._gone)
        self._skipped.sort(key=lambda skip: skip.path)
        return Outcome(self._counts, self._skipped, notes)

    def _plan(self, found: Found) -> tuple[list[_Task], list[str]]:
        """Settle what needs no opening; return the rest, and remarks."""
        known = self._catalog.images.known(found.roots)
        tasks: list[_Task] = []
        back: list[int] = []
        relabel: list[tuple[int, str | None]] = []
        for file in found.files:
            row = known.pop(file.path, None)
            if row is None or not looks_same(file, row):
                tasks.append(_Task(file, row))
                continue
            if row.missing:
                back.append(row.id)
            label = self._labels.of(file.path, row.label)
            if label != row.label:
                relabel.append((row.id, label))
            self._counts.unchanged += not row.missing
        self._catalog.images.reveal(back)
        self._catalog.images.relabel(relabel)
        self._counts.came_back = len(back)
        emptied = [root for root in found.roots if _suddenly_empty(root, found, known)]
        self._out_of_sight = frozenset((*found.unseen, *emptied))
        self._gone = {
            row.id: row
            for row in known.values()
            if not row.missing and not is_below(row.path, self._out_of_sight)
        }
        return tasks, [
            f"{root} holds no pictures any more; its images are kept in the catalog in case a "
            f"drive is not mounted (`engine remove {root}` forgets them)"
            for root in emptied
        ]

    def _opened(self, tasks: list[_Task]) -> Iterator[_Opened]:
        return ahead(
            self._open,
            tasks,
            workers=self._embedder.config.decoders,
            window=AHEAD + self._embedder.config.decoders,
        )

    def _open(self, task: _Task, reuse: bool = True) -> _Opened:
        """Read one file; runs in a thread. With `reuse`, known content is not decoded."""
        scanned_ns = time.time_ns()
        digest = ""
        try:
            data = read_file(task.file.path)
            digest = content_hash(data)
            if task.known is not None and task.known.content_hash == digest:
                return _Opened(task, scanned_ns, digest)
            if reuse and digest in self._contents:
                return _Opened(task, scanned_ns, digest, twin=True)
            image = self._embedder.image(data, task.file.path)
            pixels = self._embedder.backbone.preprocessing.pixels(image.pixels)
        except ImageError as error:
            return _Opened(task, scanned_ns, digest, error=error)
        size = (image.width, image.height)
        return _Opened(task, scanned_ns, digest, pixels=pixels, size=size, format=image.format)

    def _settle(self, opened: _Opened) -> None:
        if opened.error is not None:
            error = opened.error
            self._skipped.append(Skipped(opened.task.file.path, error.reason, error.remedy))
        elif opened.pixels is not None:
            self._count_new(opened.task)
            facts = self._facts(opened, opened.size, opened.format)
            self._writer.add(_row_id(opened.task), facts, opened.pixels)
        elif opened.twin:
            self._settle_twin(opened)
        else:
            self._still_right(opened)

    def _still_right(self, opened: _Opened) -> None:
        """The content is what the row says; only the time stamp was new."""
        known = opened.task.known
        assert known is not None
        self._writer.add_known(known.id, opened.task.file, opened.scanned_ns)
        self._relabel(known, known.path)
        self._counts.came_back += known.missing
        self._counts.unchanged += not known.missing

    def _settle_twin(self, opened: _Opened) -> None:
        """Known content under another path: moved from there, or a copy of it."""
        task = opened.task
        # Asked anew: the rows may have changed since the thread looked.
        twins = self._catalog.images.with_content(opened.content_hash)
        if not twins:
            self._settle(self._open(task, reuse=False))
            return
        # Of two copies found in one run only the first can be where an image has moved to.
        free = [twin for twin in twins if twin.id not in self._moved]
        left = [twin for twin in free if self._has_left(twin)]
        if task.known is None and left:
            self._move(left[0], opened)
            return
        row = self._catalog.images.rows([twins[0].id])[twins[0].id]
        _, vectors = self._catalog.embeddings.of([row.id])
        self._count_new(task)
        facts = self._facts(opened, (row.width, row.height), row.format, row.label)
        self._writer.add_embedded(_row_id(task), facts, vectors)

    def _has_left(self, twin: KnownImage) -> bool:
        """Say whether an image's file is gone from its path, and not just out of sight."""
        if os.path.lexists(twin.path):
            return False
        return twin.missing or not is_below(twin.path, self._out_of_sight)

    def _move(self, twin: KnownImage, opened: _Opened) -> None:
        self._gone.pop(twin.id, None)
        self._moved.add(twin.id)
        self._writer.add_known(twin.id, opened.task.file, opened.scanned_ns)
        self._relabel(twin, opened.task.file.path)
        self._counts.moved += 1

    def _relabel(self, row: KnownImage, path: str) -> None:
        label = self._labels.of(path, row.label)
        if label != row.label:
            self._writer.relabel(row.id, label)

    def _count_new(self, task: _Task) -> None:
        if task.known is None:
            self._counts.added += 1
        else:
            self._counts.updated += 1

    def _facts(
        self, opened: _Opened, size: tuple[int, int], kind: str, twin_label: str | None = None
    ) -> ImageFacts:
        task = opened.task
        # What a person said of a picture holds for a copy of it, unless the rule knows better.
        existing = task.known.label if task.known else twin_label
        label = self._labels.of(task.file.path, existing)
        return ImageFacts(task.file, opened.scanned_ns, opened.content_hash, *size, kind, label)


def looks_same(file: FileState, row: KnownImage) -> bool:
    """Say whether a file is certainly the one that was scanned, without opening it."""
    was_young = row.mtime_ns > row.scanned_ns - YOUNG_NS
    return (file.size, file.mtime_ns) == (row.size, row.mtime_ns) and not was_young


def _suddenly_empty(root: str, found: Found, known: dict[str, KnownImage]) -> bool:
    if not os.path.isdir(root):
        return False
    holds = any(is_below(file.path, [root]) for file in found.files)
    return not holds and any(
        not row.missing and is_below(row.path, [root]) for row in known.values()
    )


def _row_id(task: _Task) -> int | None:
    return task.known.id if task.known else None
