"""Files as they are, held against what the catalog knows of them."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from engine.config import UrlLimits
from engine.errors import ImageError
from engine.pictures.sources.paths import real
from engine.pictures.sources.states import state_of
from engine.pictures.walk_rules import WalkRules, in_trash
from index.catalog.paths import at_or_above
from index.records import FileState, KnownImage

# A file's time stamp may be this coarse: a file changed so shortly after it was scanned could look
# the same, so one that was younger than this at its last scan is looked at again.
YOUNG_NS = 2_000_000_000


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
