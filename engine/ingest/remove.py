"""Forgetting images on request."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from engine.ingest.results import RemoveReport
from engine.pictures.sources.paths import absolute
from index.catalog.catalog import Catalog


def remove(catalog: Catalog, paths: Sequence[str]) -> RemoveReport:
    """Forget the images at or below paths, whether or not the files still exist."""
    wanted = [absolute(path) for path in paths]
    known = catalog.images.known(wanted)
    catalog.images.delete([row.id for row in known.values()])
    catalog.folders.forget(wanted)
    catalog.archives.forget(wanted)
    covered = {folder for path in known for folder in (path, *_folders(path))}
    missed = [path for path in wanted if path not in covered]
    return RemoveReport(len(known), catalog.image_count(), missed)


def _folders(path: str) -> Iterator[str]:
    """Yield every folder that `path` lies in."""
    while (folder := os.path.dirname(path)) != path:
        yield folder
        path = folder
