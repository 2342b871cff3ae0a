"""The catalog's part of putting files back: their images are shown again."""

from __future__ import annotations

import os
from collections.abc import Sequence

from engine.search.duplicates.moves.records import Move
from index.catalog.catalog import Catalog
from index.records import FileState


def reveal(catalog: Catalog, files: Sequence[tuple[Move, FileState, int]], folder: str) -> int:
    """Show the images of files again, without embedding anything; return how many have none.

    Parameters
    ----------
    files
        Each with its state, and when its content was looked at.
    folder
        Where the files came from. Images that were indexed there move with them.
    """
    elsewhere = {move.source: os.path.join(folder, move.destination) for move, _, _ in files}
    known = catalog.images.known([*elsewhere, *elsewhere.values()])
    restat, gone, unknown = [], [], 0
    for move, file, scanned_ns in files:
        row, other = known.get(move.source), known.get(elsewhere[move.source])
        if row is None and other is not None and other.content_hash == move.sha256:
            row, other = other, None
        if other is not None and other is not row and not other.missing:
            gone.append(other.id)
        if row is None or row.content_hash != move.sha256:
            unknown += 1
        else:
            restat.append((row.id, file, scanned_ns))
    catalog.images.hide(gone)
    catalog.images.restat(restat)
    return unknown
