"""Finding image files below folders, and behind whatever else people name."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence

from engine.config import UrlLimits
from engine.errors import EngineError, UsageError
from engine.pictures.sources.folders import FolderWalk, cannot_be_seen
from engine.pictures.sources.found import Found
from engine.pictures.sources.paths import absolute, exists, is_remote
from engine.pictures.sources.table import archive_kind, scheme_of
from engine.pictures.walk_rules import WalkRules
from index.catalog.paths import is_below
from index.records import FileState


def find_images(
    paths: Sequence[str],
    rules: WalkRules | None = None,
    progress: Callable[[int], None] = lambda files: None,
    *,
    urls: UrlLimits | None = None,
) -> Found:
    """Return every image file at or below `paths`, those of archives included.

    As `list_images`, and each of its archives is opened.
    """
    found = list_images(paths, rules, progress, urls=urls)
    roots = frozenset(found.roots)
    for archive in found.archives:
        found.add(members_below(archive, roots, rules, urls=urls))
        progress(len(found.files))
    found.sort()
    return found


def list_images(
    paths: Sequence[str],
    rules: WalkRules | None = None,
    progress: Callable[[int], None] = lambda files: None,
    *,
    urls: UrlLimits | None = None,
) -> Found:
    """Return every image file at or below `paths`, and every archive, unopened.

    Hidden files and folders, and those of systems and tools, are left out, and what `rules`
    exclude. Links are followed, and each folder and each linked file is taken once: under its real
    path where one of `paths` leads there without a link, else under a path as it was given, else
    under the first link to it. So a loop of links ends. A raw file of a camera is left out where a
    JPEG of the same name lies beside it. A file named by hand is always taken.

    Parameters
    ----------
    paths
        Folders, files, archives, and URLs of any of these; see docs/sources.md.
    progress
        Hears after each folder how many files were found so far.
    urls
        Within which limits URLs are read; by default what the environment allows.

    Returns
    -------
    Found
        `archives` are those that were named and, where the rules say so, all others; `members`
        returns what lies in one.

    Raises
    ------
    UsageError
        One is a URL that cannot be read here.
    """
    rules = rules or WalkRules()
    walk = FolderWalk(rules, progress)
    names = [absolute(path) for path in paths]
    folders = walk.roots([name for name in names if not is_remote(name)])
    real = {folder: os.path.realpath(folder) for folder in folders}
    # Of two that are named through links, the inner one keeps its name.
    for folder in sorted(real, key=lambda each: (real[each] != each, -len(real[each]))):
        walk.folder(folder)
    while walk.links:
        links, walk.links = sorted(walk.links), []
        for link in links:
            walk.folder(link)
    walk.take_linked_files()
    for url in filter(is_remote, names):
        from engine.pictures.sources.listing import list_url

        walk.found.add(list_url(url, rules, urls or UrlLimits(), progress))
    walk.found.sort()
    return walk.found


def members(
    archive: FileState,
    rules: WalkRules | None = None,
    *,
    labels: bool = False,
    urls: UrlLimits | None = None,
) -> Found:
    """Return the images of an archive, as `engine.pictures.sources.listing.members`."""
    # Imported here: few runs have archives.
    from engine.pictures.sources.listing import members

    return members(archive, rules, labels=labels, urls=urls)


def members_below(
    archive: FileState,
    roots: Collection[str],
    rules: WalkRules | None = None,
    *,
    labels: bool = False,
    urls: UrlLimits | None = None,
) -> Found:
    """Return the images of an archive that lie at or below one of some roots.

    A part of an archive may be named alone: the rest of it is not looked at then.
    """
    found = members(archive, rules, labels=labels, urls=urls)
    if not is_below(archive.path, roots):
        found.files = [each for each in found.files if is_below(each.path, roots)]
        found.skipped = [each for each in found.skipped if is_below(each.path, roots)]
        found.roots = [root for root in roots if is_below(root, (archive.path,))]
    return found


def require_one(paths: Sequence[str]) -> None:
    """Insist that at least one of the paths can be looked at; of a URL that is not known before.

    Raises
    ------
    UsageError
        No path was named, or one is a URL of a kind that cannot be read here.
    EngineError
        None of them exists.
    """
    if not paths:
        raise UsageError("PATH", "no folder was named", "Name a folder of pictures")
    names = list(map(absolute, paths))
    for name in names:
        scheme, kind = scheme_of(name), archive_kind(name)
        for row in (scheme, kind):
            if row is not None:
                row.require(name)
    failures = []
    for name in names:
        try:
            if not exists(name):
                os.stat(name)
            return
        except (OSError, ValueError) as error:
            failures.append(cannot_be_seen(name, error))
    first = failures[0]
    none = EngineError(first.path, first.reason, "Name a folder or a picture that exists")
    none.skipped = failures
    raise none
