"""What a run of indexing has to open, and what it settles without opening anything."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from engine.embedding.embedder import Embedder
from engine.ingest.batch_writer import BatchWriter, IngestLimits
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
from engine.ingest.tally import Tally
from engine.pictures.sources.found import Found
from engine.pictures.sources.paths import absolute, is_remote
from engine.pictures.walk import list_images
from index.catalog.catalog import Catalog
from index.catalog.diagnosis import require_sound
from index.catalog.paths import is_below
from index.records import FileState, KnownImage

DAMAGED = "its stored embedding was damaged and is made again"
# A file to open, and the row that its path has.
Task: TypeAlias = tuple[FileState, KnownImage | None]


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


class Planner:
    """Compares what is found with what the catalog knows.

    Parameters
    ----------
    writer
        Takes what needs no opening.
    tally
        Hears what becomes of it.

    Attributes
    ----------
    damaged
        Images whose stored embedding is damaged.
    out_of_sight
        What could not be looked at: images below it are not gone.
    """

    def __init__(
        self,
        catalog: Catalog,
        embedder: Embedder,
        labels: Labels,
        limits: IngestLimits,
        options: IngestOptions,
        archives: Archives,
        writer: BatchWriter,
        tally: Tally,
    ) -> None:
        self._catalog = catalog
        self._embedder = embedder
        self._labels = labels
        self._limits = limits
        self._options = options
        self._archives = archives
        self._writer = writer
        self._tally = tally
        self.damaged: frozenset[int] = frozenset()
        self.out_of_sight: frozenset[str] = frozenset()

    def plan(self, paths: Sequence[str]) -> Plan:
        """Settle what needs no opening at or below `paths`, and return what is to be opened.

        Raises
        ------
        CatalogDamagedError
            The file of the catalog is damaged: to write into it would make that worse.
        """
        self.damaged = self._damaged_embeddings()
        reporter = self._embedder.reporter
        for url in filter(is_remote, map(absolute, paths)):
            reporter.announce(f"listing {url}")
        found = list_images(
            paths,
            self._options.rules,
            lambda files: reporter.progress("looking", files, None, "files"),
            urls=self._embedder.config.urls,
        )
        reporter.progress("looking", len(found.files), len(found.files), "files")
        self._catalog.folders.add([root for root in found.roots if os.path.isdir(root)])
        known, archives = self.known(found), self._archives
        opened = archives.to_open(found, known, verify=self._options.verify)
        self._tally.notes += archives.notes(found)
        # What lies in an archive that is to be opened is not known to be gone before that.
        tasks = self.settled(found, outside(known, opened))
        self._writer.flush()
        return Plan(tasks, opened, frozenset(found.roots), self.damaged)

    def known(self, found: Found) -> dict[str, KnownImage]:
        """Return the images that the catalog knows at or below what was looked at, by path."""
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
        return {path: self.to_embed_again(row) for path, row in known.items()}

    def settled(self, found: Found, known: dict[str, KnownImage]) -> list[Task]:
        """Bring the catalog in step with what needs no opening, and return the rest.

        Parameters
        ----------
        known
            By path; those whose files were found are taken out of it.
        """
        self._tally.found(found)
        files = self._to_compare(found, known)
        self._labels.expect(sorted(file.path for file in files), self.labels_in_use)
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
            self._tally.counts["unchanged"] += not row.missing
        self._writer.settle(unidentified, back, relabel)
        self._tally.counts["relabelled"] += len(relabel)
        self._tally.counts["came_back"] += len(back)
        self._note_gone(found, files, known)
        return tasks

    def labels_in_use(self) -> list[str]:
        """Return the labels that images of the catalog have."""
        return self._catalog.values.of("label")

    def to_embed_again(self, row: KnownImage) -> KnownImage:
        """Return a row that no file looks like, where its embedding is damaged."""
        if row.id not in self.damaged:
            return row
        if not row.missing:
            self._tally.remark(DAMAGED, row.path)
        return like_no_file(row)

    def _note_gone(
        self, found: Found, files: Sequence[FileState], unseen: Mapping[str, KnownImage]
    ) -> None:
        """Note the images whose files were looked for and are not there."""
        visible = [row for row in unseen.values() if not row.missing]
        rules, roots = self._options.rules, frozenset(found.roots)
        emptied = suddenly_empty(
            [root for root in found.roots if is_remote(root) or os.path.exists(root)],
            sorted(file.path for file in files),
            sorted(row.path for row in visible if not rules.excludes_below(row.path, roots)),
        )
        self.out_of_sight = self.out_of_sight.union(found.unseen, emptied)
        gone = (row for row in visible if not is_below(row.path, self.out_of_sight))
        self._tally.gone |= {row.id: row for row in gone}
        self._tally.notes += [
            f"{root} holds no pictures any more; its images are kept in the catalog in case a "
            f"drive is not mounted (`engine remove {root}` forgets them)"
            for root in emptied
        ]

    def _to_compare(self, found: Found, known: Mapping[str, KnownImage]) -> list[FileState]:
        """Return the files to compare with what the catalog knows."""
        files = list(found.files)
        if found.real:
            files = under_real_paths(files, found.real, known)
        urls = self._embedder.config.urls
        return files + overlooked(known, files, found.roots, self._options.rules, urls)

    def _damaged_embeddings(self) -> frozenset[int]:
        """Return the images whose stored embedding is not as it was stored."""
        embeddings = self._catalog.embeddings
        if not self._options.verify and embeddings.count() > self._limits.verified:
            return frozenset()
        require_sound(self._catalog)
        return frozenset(embeddings.damaged())


def like_no_file(row: KnownImage) -> KnownImage:
    """Return a row that no file looks like: its image is embedded again."""
    return replace(row, content_hash="", size=-1)
