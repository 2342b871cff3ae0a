"""Indexing: bringing the catalog in step with folders of images.

A file that looks the same is not opened. One that is opened is hashed first: content the catalog
knows is not decoded again, wherever it lies now. What remains is decoded by threads, embedded in
batches, and committed every few seconds, so that whatever happens, what was finished is kept.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from engine.embedding.embedder import Embedder
from engine.errors import ImageError
from engine.heads.classifier import Classifier
from engine.ingest.batch_writer import BatchWriter, IngestLimits, KnownHashes
from engine.ingest.comparison import (
    Archives,
    looks_same,
    outside,
    overlooked,
    suddenly_empty,
    under_real_paths,
)
from engine.ingest.labels.labels import Labels
from engine.ingest.options import IngestOptions
from engine.ingest.results import Count, IndexReport, Outcome
from engine.ingest.same_content import SameContent
from engine.pictures.preprocess import Pixels
from engine.pictures.read import content_hash, read_file
from engine.pictures.sources.found import Found
from engine.pictures.sources.paths import absolute, is_remote, lexists
from engine.pictures.threads.memory import Reserve
from engine.pictures.threads.prefetch import prefetch
from engine.pictures.walk import list_images, members_below
from engine.skipped import Skipped
from index.catalog.catalog import Catalog
from index.catalog.diagnosis import require_sound
from index.catalog.paths import is_below
from index.records import FileState, ImageFacts, ImageRow, KnownImage

DAMAGED = "its stored embedding was damaged and is made again"
# Stands for the label that an image has, where a rule is asked whether it gives another one.
NO_OTHER = "the label that there is"
TWINS = "left out {count} raw files with a JPEG of the same name beside them"
# A file to open, and the row that its path has.
Task: TypeAlias = tuple[FileState, KnownImage | None]
# What is left to do in the caller's thread for a file that a thread has opened.
Step: TypeAlias = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run has to open.

    Attributes
    ----------
    tasks
        Files, in order of path.
    archives
        Those that are not known to be as they were.
    roots
        What was named; of an archive that lies below none of them, only a part was.
    damaged
        Images whose stored embedding is damaged: they are embedded again.
    """

    tasks: Sequence[Task]
    archives: Sequence[FileState] = ()
    roots: frozenset[str] = frozenset()
    damaged: frozenset[int] = frozenset()


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
        self._counts: Counter[Count] = Counter()
        self._skipped: list[Skipped] = []
        self._notes: list[str] = []
        self._left_out = self._excluded = self._done = 0
        self._embedded_elsewhere = self._removed_elsewhere = 0
        self._remarks: dict[str, list[str]] = {}
        self._gone: dict[int, KnownImage] = {}
        self._same_content = SameContent(catalog, self._has_left)
        self._out_of_sight: frozenset[str] = frozenset()
        self._damaged: frozenset[int] = frozenset()
        self._roots: frozenset[str] = frozenset()
        self._urls = embedder.config.urls
        self._archives = Archives(catalog, self._options.rules, labels=labels.from_archives)
        self._hashes = hashes or KnownHashes(catalog, self._limits)
        self._writer = BatchWriter(
            catalog, embedder, classifier, self._hashes, self._limits, transaction
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
        """Settle what needs no opening at or below `paths`, and return what is to be opened."""
        self._damaged = self._damaged_embeddings()
        reporter = self._embedder.reporter
        for url in filter(is_remote, map(absolute, paths)):
            reporter.announce(f"listing {url}")
        found = list_images(
            paths,
            self._options.rules,
            lambda files: reporter.progress("looking", files, None, "files"),
            urls=self._urls,
        )
        reporter.progress("looking", len(found.files), len(found.files), "files")
        self._catalog.folders.add([root for root in found.roots if os.path.isdir(root)])
        known, archives = self._known(found), self._archives
        opened = archives.to_open(found, known, verify=self._options.verify)
        self._notes += archives.notes(found)
        # What lies in an archive that is to be opened is not known to be gone before that.
        tasks = self._settled(found, outside(known, opened))
        self._writer.flush()
        return Plan(tasks, opened, frozenset(found.roots), self._damaged)

    def take(self, plan: Plan, *, whole: bool = False) -> None:
        """Open files and archives, and commit what they hold.

        Parameters
        ----------
        whole
            An interrupt keeps nothing of them, instead of what was finished.
        """
        self._damaged, self._roots = plan.damaged, plan.roots
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
        self._catalog.images.hide(list(self._gone))

    def label_of(self, path: str) -> tuple[str | None, bool]:
        """Return the label that the rule gives to a file, and whether it gives one, or none."""
        label = self._labels.of(path, NO_OTHER)
        return (None, False) if label is NO_OTHER else (label, True)

    def outcome(self) -> Outcome:
        """Return what became of the files that were taken."""
        archives = self._archives.noted
        embedded, remarks = self._writer.embedded, self._remarks
        # Of all other rules' labels whoever hears of all files will say the same.
        spelled = self._labels.notes() if self._labels.from_archives else []
        return Outcome(
            self._counts,
            embedded,
            self._skipped,
            remarks,
            archives,
            removed=len(self._gone),
            left_out=self._left_out,
            excluded=self._excluded,
            notes=[*self._notes, *spelled],
        )

    def add(self, outcome: Outcome) -> None:
        """Count in what became of files that another one has taken."""
        self._counts.update(outcome.counts)
        self._skipped += outcome.skipped
        self._embedded_elsewhere += outcome.embedded
        self._removed_elsewhere += outcome.removed
        self._left_out += outcome.left_out
        self._excluded += outcome.excluded
        self._notes += outcome.notes
        for note, paths in outcome.remarks.items():
            self._remarks.setdefault(note, []).extend(paths)

    def hear_of(self, archives: Sequence[FileState]) -> None:
        """Let the rule for labels hear of the pictures of archives that another one has opened."""
        if archives:
            known = self._catalog.images.known([archive.path for archive in archives])
            paths = {path for path, row in known.items() if not row.missing}
            paths |= {skipped.path for skipped in self._skipped}
            self._labels.expect(sorted(paths), self._labels_in_use)

    def skip(self, skipped: Skipped) -> None:
        """Count in what could not be used."""
        self._skipped.append(skipped)

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
        skipped = len(self._skipped)
        self._labels.told(part.labels)
        tasks = self._settled(part, self._known(part))
        if not whole:
            # A copy has the label that its twin has by now.
            self._writer.flush()
        self._open_files(tasks)
        complete = len(self._skipped) == skipped and not part.unseen
        if complete and is_below(archive.path, roots):
            # With what is committed now; an error that comes instead saves nothing of this.
            self._archives.indexed(archive, len(part.files))
        self._writer.flush()

    def report(self, seconds: float) -> IndexReport:
        """Return what the run did, in so many seconds."""
        embedded = self._writer.embedded + self._embedded_elsewhere
        return IndexReport(
            added=self._counts["added"],
            updated=self._counts["updated"],
            moved=self._counts["moved"],
            unchanged=self._counts["unchanged"],
            removed=len(self._gone) + self._removed_elsewhere,
            came_back=self._counts["came_back"],
            relabelled=self._counts["relabelled"],
            skipped=sorted(self._skipped, key=lambda skip: skip.path),
            images=self._catalog.image_count(),
            embedded=embedded,
            backbone=self._embedder.backbone.name,
            precision=self._embedder.precision,
            seconds=seconds,
            images_per_second=embedded / seconds if seconds else 0.0,
            left_out=self._left_out,
            excluded=self._excluded,
            notes=[*self._notes, *self._labels.notes(), *map(_remark, self._remarks.items())],
            unused_labels=self._labels.unused(),
        )

    def _settled(self, found: Found, known: dict[str, KnownImage]) -> list[Task]:
        """Bring the catalog in step with what needs no opening, and return the rest."""
        self._skipped += found.skipped
        self._left_out += found.left_out
        self._excluded += found.excluded
        files = self._to_compare(found, known)
        self._labels.expect(sorted(file.path for file in files), self._labels_in_use)
        tasks: list[Task] = []
        back: list[int] = []
        relabel: list[tuple[int, str | None]] = []
        unidentified: list[tuple[int, FileState, int]] = []
        for file in files:
            row = known.pop(file.path, None)
            if row is None or self._options.verify or not looks_same(file, row):
                tasks.append((file, row))
                continue
            if row.inode is None:
                unidentified.append((row.id, file, row.scanned_ns))
            if row.missing:
                back.append(row.id)
            label = self._labels.of(file.path, row.label)
            if label != row.label:
                relabel.append((row.id, label))
            self._counts["unchanged"] += not row.missing
        self._writer.settle(unidentified, back, relabel)
        self._counts["relabelled"] += len(relabel)
        self._counts["came_back"] += len(back)
        visible = [row for row in known.values() if not row.missing]
        rules, roots = self._options.rules, frozenset(found.roots)
        emptied = suddenly_empty(
            [root for root in found.roots if is_remote(root) or os.path.exists(root)],
            sorted(file.path for file in files),
            sorted(row.path for row in visible if not rules.excludes_below(row.path, roots)),
        )
        self._out_of_sight = self._out_of_sight.union(found.unseen, emptied)
        self._gone |= {row.id: row for row in visible if not is_below(row.path, self._out_of_sight)}
        self._notes += [TWINS.format(count=found.twins)] if found.twins else []
        self._notes += [
            f"{root} holds no pictures any more; its images are kept in the catalog in case a "
            f"drive is not mounted (`engine remove {root}` forgets them)"
            for root in emptied
        ]
        return tasks

    def _known(self, found: Found) -> dict[str, KnownImage]:
        """Return the images that the catalog knows at or below what was looked at."""
        if (inside := self._archives.known(found.roots)) is not None:
            return inside
        images = self._catalog.images
        known = images.known(found.roots)
        if found.real:
            elsewhere = images.known(found.real.values())
            real = under_real_paths(found.files, found.real, elsewhere)
            known = {
                **{each.path: elsewhere[each.path] for each in real if each.path in elsewhere},
                **known,
            }
        return {path: self._to_embed_again(row) for path, row in known.items()}

    def _to_compare(self, found: Found, known: Mapping[str, KnownImage]) -> list[FileState]:
        """Return the files to compare with what the catalog knows."""
        files = list(found.files)
        if found.real:
            files = under_real_paths(files, found.real, known)
        return files + overlooked(known, files, found.roots, self._options.rules, self._urls)

    def _damaged_embeddings(self) -> frozenset[int]:
        """Return the images whose stored embedding is not as it was stored.

        Raises
        ------
        CatalogDamagedError
            The file of the catalog is damaged: to write into it would make that worse.
        """
        embeddings = self._catalog.embeddings
        if not self._options.verify and embeddings.count() > self._limits.verified:
            return frozenset()
        require_sound(self._catalog)
        return frozenset(embeddings.damaged())

    def _to_embed_again(self, row: KnownImage) -> KnownImage:
        """Return a row that no file looks like, where its embedding is damaged."""
        if row.id not in self._damaged:
            return row
        if not row.missing:
            self._remarks.setdefault(DAMAGED, []).append(row.path)
        return like_no_file(row)

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
            return partial(self._skipped.append, Skipped.of(file.path, error))

    def _read(
        self, file: FileState, known: KnownImage | None, reuse: bool, reserve: Reserve
    ) -> Step:
        scanned_ns = time.time_ns()
        most = self._embedder.config.max_file_bytes
        data = read_file(file.path, most, reserve, urls=self._urls, size=file.size)
        digest = content_hash(data)
        if known is not None and known.content_hash == digest:
            return partial(self._still_right, file, known, scanned_ns)
        damaged = known is not None and known.id in self._damaged
        if reuse and not damaged and digest in self._hashes:
            return partial(self._reuse, file, known, scanned_ns, digest)
        image = self._embedder.image(data, file.path, reserve)
        pixels = self._embedder.backbone.preprocessing.pixels(image.pixels)
        label = self._labels.of(file.path, known.label if known else None)
        facts = ImageFacts(file, scanned_ns, digest, image.width, image.height, image.format, label)
        return partial(self._add, known, facts, pixels, image.note)

    def _add(self, known: KnownImage | None, facts: ImageFacts, pixels: Pixels, note: str) -> None:
        if note:
            self._remarks.setdefault(note, []).append(facts.file.path)
        self._count(known, facts.label)
        self._writer.add(known.id if known else None, facts, pixels)

    def _still_right(self, file: FileState, known: KnownImage, scanned_ns: int) -> None:
        """The content is what the row says; only the time stamp was new."""
        self._writer.add_known(known.id, file, scanned_ns)
        self._relabel(known, known.path)
        self._counts["came_back" if known.missing else "unchanged"] += 1

    def _reuse(
        self, file: FileState, known: KnownImage | None, scanned_ns: int, digest: str
    ) -> None:
        """Known content under another path: moved from there, or a copy of it."""
        found = self._same_content.find(digest, file.path, may_move=known is None)
        if isinstance(found, KnownImage) and not self._moves:
            found = self._left_behind(found)
        if found is None or found.id in self._damaged:
            # The rows have changed since the thread looked, or hold nothing to be reused.
            if isinstance(found, KnownImage):
                self._gone.pop(found.id, None)
                known = self._to_embed_again(found)
            self._embed_anyway(file, known)
            return
        if isinstance(found, KnownImage):
            self._move(found, file, scanned_ns)
            return
        _, vectors = self._catalog.embeddings.of([found.id])
        # What a person said of an image holds for a copy of it, unless the rule knows better.
        label = self._labels.of(file.path, known.label if known else found.label)
        facts = ImageFacts(file, scanned_ns, digest, found.width, found.height, found.format, label)
        self._count(known, label)
        self._writer.add_embedded(known.id if known else None, facts, vectors)

    def _left_behind(self, image: KnownImage) -> ImageRow | None:
        """Return an image whose file has left its path, of which another one is a copy for now."""
        if not is_below(image.path, self._roots):
            # Whoever has looked at what was named does not know that it is gone.
            self._gone[image.id] = image
        return self._catalog.images.rows([image.id]).get(image.id)

    def _embed_anyway(self, file: FileState, known: KnownImage | None) -> None:
        again = partial(self._open, file, reuse=False)
        # In a thread of its own, as all that may take too long.
        with closing(prefetch(again, [known], workers=1, window=1)) as steps:
            for step in steps:
                step()

    def _has_left(self, twin: KnownImage) -> bool:
        """Say whether an image's file is gone from its path, and not just out of sight."""
        if twin.id in self._gone:
            # Also where its path is now another name of a folder that was walked under its own.
            return True
        return not lexists(twin.path) and (
            twin.missing or not is_below(twin.path, self._out_of_sight)
        )

    def _move(self, twin: KnownImage, file: FileState, scanned_ns: int) -> None:
        self._gone.pop(twin.id, None)
        self._writer.add_known(twin.id, file, scanned_ns)
        self._relabel(twin, file.path)
        self._counts["moved"] += 1

    def _relabel(self, row: KnownImage, path: str) -> None:
        label = self._labels.of(path, row.label)
        if label != row.label:
            self._counts["relabelled"] += 1
            self._writer.relabel(row.id, label)

    def _labels_in_use(self) -> list[str]:
        return self._catalog.values.of("label")

    def _count(self, known: KnownImage | None, label: str | None) -> None:
        """Count an image that is new, or has new content and perhaps another label."""
        self._counts["updated" if known else "added"] += 1
        self._counts["relabelled"] += known is not None and known.label != label


def like_no_file(row: KnownImage) -> KnownImage:
    """Return a row that no file looks like: its image is embedded again."""
    return replace(row, content_hash="", size=-1)


def _remark(remark: tuple[str, list[str]]) -> str:
    """Return what is said of the images of which the same is to be said."""
    # Of images in archives it is noted twice.
    note, paths = remark[0], list(dict.fromkeys(remark[1]))
    others = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
    return f"{paths[0]}: {note}{others}"
