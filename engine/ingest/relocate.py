"""Telling the catalog that a folder of pictures lies elsewhere now."""

from __future__ import annotations

import os

from engine.errors import UsageError
from engine.ingest.results import RelocateReport
from engine.pictures.sources.paths import exists, require_local
from index.catalog.catalog import Catalog
from index.catalog.paths import is_below


def relocate(catalog: Catalog, old: str, new: str) -> RelocateReport:
    """Give every image at or below a path the same place below another one.

    No file is opened and nothing is embedded: size and time of the files are trusted.

    Raises
    ------
    UsageError
        One is a URL, no image lies there, or the catalog has other images where they would lie.
    """
    require_local((old, new), "engine relocate")
    old, new = os.path.abspath(old), os.path.abspath(new)
    images = catalog.images.known([old])
    if not images:
        raise UsageError(
            old, "no image of the catalog lies at or below it", "See `engine search --paths`"
        )
    moved = {path: new + path[len(old) :] for path in images}
    taken = (catalog.images.known([new]).keys() - images.keys()) & set(moved.values())
    if taken:
        raise UsageError(
            min(taken),
            f"the catalog has {len(taken)} other images where they would lie",
            "Forget these first with `engine remove`",
        )
    # Into a folder below, the longest path goes first, so that each place is free when it is taken.
    order = sorted(moved, key=len, reverse=is_below(new, (old,)))
    catalog.images.move((images[path].id, moved[path]) for path in order)
    folders = [path for path in catalog.folders.all() if is_below(path, (old,))]
    catalog.folders.forget(folders)
    # A part of a folder that was indexed is one to itself from now on.
    part = [] if folders or old in images else [new]
    catalog.folders.add([new + path[len(old) :] for path in folders] + part)
    gone = sorted(to for path, to in moved.items() if not images[path].missing and not exists(to))
    return RelocateReport(len(moved), gone)
