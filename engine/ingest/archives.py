"""Which archives a run of indexing opens, one after the other: those that are not as they were.

One that is unchanged and all of whose images are in the catalog is taken to hold these.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from engine.ingest.comparison import YOUNG_NS
from engine.pictures.sources.found import Found
from engine.pictures.sources.store import version_number
from engine.pictures.walk_rules import WalkRules
from index.catalog.catalog import Catalog
from index.catalog.tables.archives import KnownArchive
from index.records import FileState, KnownImage

LEFT_CLOSED = "archives were left closed: {count}, such as {example}; name them, or use --archives"


class Archives:
    """The archives of one run.

    Parameters
    ----------
    catalog
        What remembers them.
    rules
        What is left out of them.
    labels
        Whether it is asked what they say of their images.
    """

    def __init__(self, catalog: Catalog, rules: WalkRules, *, labels: bool) -> None:
        self._catalog = catalog
        self._asked = sorted(rules.exclude), rules.include_hidden, labels
        self._indexed: dict[str, KnownArchive] = {}

    def to_open(
        self, found: Found, known: Mapping[str, KnownImage], *, verify: bool
    ) -> list[FileState]:
        """Return the archives to be opened; the images of all others join what was found.

        One that was not asked for is looked into where the catalog has images of it: somebody has
        named it once.

        Parameters
        ----------
        known
            What the catalog has at or below what was looked at.
        verify
            Open every archive.
        """
        if not (found.archives or found.closed):
            return []
        remembered, paths = self._catalog.archives.all(), sorted(known)
        closed: list[FileState] = []
        opened: list[FileState] = []
        for archive in found.closed:
            (opened if any(_below(archive.path, paths)) else closed).append(archive)
        found.closed = closed
        changed = []
        for archive in (*found.archives, *opened):
            rows = [known[path] for path in _below(archive.path, paths)]
            files = [_state(row) for row in rows if not row.missing]
            wanted = KnownArchive(self._version(archive), len(files))
            # A damaged embedding is made again, whatever the archive.
            known_so = remembered.get(archive.path) == wanted and all(row.size >= 0 for row in rows)
            if verify or archive.inode is None or not known_so:
                changed.append(archive)
            else:
                found.files += files
        return sorted(changed, key=lambda archive: archive.path)

    def indexed(self, archive: FileState, images: int) -> None:
        """Take note that all images of an archive are in the catalog."""
        # One that has just been written may change within the same tick of its file system's clock.
        young = archive.ctime_ns is not None and archive.mtime_ns > time.time_ns() - YOUNG_NS
        if archive.inode is not None and not young:
            self._indexed[archive.path] = KnownArchive(self._version(archive), images)

    def save(self) -> None:
        """Remember what was noted."""
        self._catalog.archives.add(self._indexed)
        self._indexed = {}

    def notes(self, found: Found) -> list[str]:
        """Return what is to be said of archives that were not looked into."""
        if not found.closed:
            return []
        return [LEFT_CLOSED.format(count=len(found.closed), example=found.closed[0].path)]

    def _version(self, archive: FileState) -> int:
        state = archive.size, archive.mtime_ns, archive.inode, archive.ctime_ns
        return version_number(*state, self._asked)


def _below(archive: str, paths: Sequence[str]) -> Iterator[str]:
    """Yield those of some sorted paths that lie in an archive."""
    inside = f"{archive}/"
    for position in range(bisect_left(paths, inside), len(paths)):
        if not paths[position].startswith(inside):
            return
        yield paths[position]


def _state(row: KnownImage) -> FileState:
    return FileState(row.path, row.size, row.mtime_ns, row.inode, row.ctime_ns)
