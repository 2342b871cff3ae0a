"""Files and archives as they are, held against what the catalog knows of them."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from engine.config import UrlLimits
from engine.errors import ImageError
from engine.pictures.sources.found import Found
from engine.pictures.sources.paths import real
from engine.pictures.sources.states import state_of
from engine.pictures.sources.store import version_number
from engine.pictures.walk_rules import WalkRules, in_trash
from index.catalog.catalog import Catalog
from index.catalog.paths import at_or_above
from index.catalog.tables.folders import KnownArchive
from index.records import FileState, KnownImage

# A file's time stamp may be this coarse: a file changed so shortly after it was scanned could look
# the same, so one that was younger than this at its last scan is looked at again.
YOUNG_NS = 2_000_000_000
LEFT_CLOSED = "archives were left closed: {count}, such as {example}; name them, or use --archives"


def under_real_paths(
    files: Sequence[FileState], real: Mapping[str, str], known: Collection[str]
) -> list[FileState]:
    """Return files, under their real path where the catalog knows them by that.

    Parameters
    ----------
    files
        As a walk found them.
    real
        The real paths of folders and files that were reached through links, by the paths there.
    known
        Paths of images in the catalog.
    """
    return [_under_real_path(file, real, known) for file in files]


def _under_real_path(file: FileState, real: Mapping[str, str], known: Collection[str]) -> FileState:
    # Up from the file, not over all links: a folder may hold nothing but a million of them.
    link = next((above for above in at_or_above(file.path) if above in real), None)
    if link is None:
        return file
    path = real[link] + file.path[len(link) :]
    return replace(file, path=path) if path in known else file


def overlooked(
    known: Mapping[str, KnownImage],
    found: Sequence[FileState],
    roots: Collection[str],
    rules: WalkRules,
    urls: UrlLimits | None = None,
) -> list[FileState]:
    """Return the files of known images that are there, though a walk does not look at them.

    They were named by hand once: hidden ones, and ones whose name says nothing of an image. No
    file in the trash is among them.
    """
    seen, roots = {file.path for file in found}, frozenset(roots)
    files = []
    for path in known:
        if path in seen or in_trash(path) or not rules.overlooks(path, roots):
            continue
        try:
            state = state_of(path, urls or UrlLimits())
        except ImageError:
            continue
        if state is not None:
            files.append(state)
    return files


def looks_same(file: FileState, row: KnownImage, young_ns: int = YOUNG_NS) -> bool:
    """Say whether a file is certainly the one that was scanned, without opening it.

    Another file under the same name has another inode; one that was written over has another
    ctime, which nobody can set back. A version that a server gives to each content of an object
    says so by itself, however young it is.
    """
    versioned = file.inode is not None and file.ctime_ns is None
    was_young = row.mtime_ns > row.scanned_ns - young_ns and not versioned
    same = (file.size, file.mtime_ns) == (row.size, row.mtime_ns) and not was_young
    known = row.inode is not None and file.inode is not None
    return same and not (known and (file.inode, file.ctime_ns) != (row.inode, row.ctime_ns))


def suddenly_empty(roots: Sequence[str], found: Sequence[str], missed: Sequence[str]) -> list[str]:
    """Return the root folders below which there were images and is none any more.

    Parameters
    ----------
    roots
        Folders that were walked.
    found, missed
        Sorted paths of the images that were found, and of those known that were not.
    """
    return [
        root
        for root in dict.fromkeys(roots)
        if _one_below(root, missed)
        # What lies behind a link may have been found under its real path.
        and not _one_below(root, found)
        and not _one_below(real(root), found)
    ]


def _one_below(folder: str, paths: Sequence[str]) -> bool:
    """Say whether one of some sorted paths lies in a folder; a few of them are looked at."""
    inside = os.path.join(folder, "")
    position = bisect_left(paths, inside)
    return position < len(paths) and paths[position].startswith(inside)


class Archives:
    """Which archives a run of indexing opens: those that are not as they were.

    One that is unchanged and all of whose images are in the catalog is taken to hold these.

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
        self._rows: dict[str, list[KnownImage]] = {}

    def known(self, roots: Sequence[str]) -> dict[str, KnownImage] | None:
        """Return the images of an archive that is opened, where it is all that was looked at.

        None where the catalog has to be asked, which takes a look at all its paths.
        """
        rows = self._rows.pop(roots[0], None) if len(roots) == 1 else None
        return None if rows is None else {row.path: row for row in rows}

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
                self._rows[archive.path] = rows
            else:
                found.files += files
        return sorted(changed, key=lambda archive: archive.path)

    def indexed(self, archive: FileState, images: int) -> None:
        """Take note that all images of an archive are in the catalog."""
        # One that has just been written may change within the same tick of its file system's clock.
        young = archive.ctime_ns is not None and archive.mtime_ns > time.time_ns() - YOUNG_NS
        if archive.inode is not None and not young:
            self._indexed[archive.path] = KnownArchive(self._version(archive), images)

    @property
    def noted(self) -> Mapping[str, KnownArchive]:
        """What will be remembered, by path."""
        return self._indexed

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


def outside(known: dict[str, KnownImage], archives: Sequence[FileState]) -> dict[str, KnownImage]:
    """Return the known images that lie in none of some archives."""
    if not archives:
        return known
    paths = sorted(known)
    inside = {path for archive in archives for path in _below(archive.path, paths)}
    return {path: row for path, row in known.items() if path not in inside}


def _below(archive: str, paths: Sequence[str]) -> Iterator[str]:
    """Yield those of some sorted paths that lie in an archive."""
    inside = f"{archive}/"
    for position in range(bisect_left(paths, inside), len(paths)):
        if not paths[position].startswith(inside):
            return
        yield paths[position]


def _state(row: KnownImage) -> FileState:
    return FileState(row.path, row.size, row.mtime_ns, row.inode, row.ctime_ns)
