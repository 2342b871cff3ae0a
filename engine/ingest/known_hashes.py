"""What contents the catalog holds: asked for every file that is opened, hence from memory."""

from __future__ import annotations

from collections.abc import Iterable

from index.catalog.catalog import Catalog

# Up to so many files are asked about one by one; more are worth reading all hashes once.
FEW = 64
DIGITS = 16  # of a hash's 64: an int of 8 bytes


class Contents:
    """The content hashes of a catalog while a run of indexing adds to them.

    A query for each file would take longer than decoding a small one. Kept are the first 64 bits
    of each hash, about 80 MB for a million images. Two files that agree in these and differ later
    are taken for the same until the catalog itself is asked, which happens before anything is
    written.

    Parameters
    ----------
    catalog
        Whose contents.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: set[int] | None = None

    def expect(self, files: int) -> None:
        """Prepare for being asked about so many files."""
        if files > FEW:
            self._known = set(map(_shortened, self._catalog.images.content_hashes()))

    def __contains__(self, content_hash: str) -> bool:
        """Say whether an image may have this content; any thread may ask."""
        if self._known is None:
            return bool(self._catalog.images.with_content(content_hash))
        return _shortened(content_hash) in self._known

    def add(self, content_hashes: Iterable[str]) -> None:
        """Take note of contents that were committed."""
        if self._known is not None:
            self._known.update(map(_shortened, content_hashes))


def _shortened(content_hash: str) -> int:
    return int(content_hash[:DIGITS], 16)
