"""Forgetting images on request."""

from __future__ import annotations

import os
from collections.abc import Sequence

from engine.results import RemoveReport
from index.catalog import Catalog
from index.images import is_below


def remove(catalog: Catalog, paths: Sequence[str]) -> RemoveReport:
    """Forget the images at or below paths, whether or not the files still exist."""
    wanted = [os.path.abspath(path) for path in paths]
    known = catalog.images.known(wanted)
    catalog.images.delete([row.id for row in known.values()])
    missed = [path for path in wanted if not any(is_below(each, [path]) for each in known)]
    return RemoveReport(len(known), catalog.counts().images, missed)
