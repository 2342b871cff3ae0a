"""Finding out what a file is whose content the catalog knows: an image that moved, or a copy.

Thousands of files may have one content. Their rows are read, and their paths tried on the disk,
once in a run and not once for each of them: the work grows with the files, not with their square.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from engine.pictures.sources.paths import real
from index.catalog.catalog import Catalog
from index.records import ImageRow, KnownImage


@dataclass(slots=True)
class _Shared:
    """The images of one content.

    Attributes
    ----------
    first
        The oldest of them.
    left
        Those whose files have left their paths and were not found under another yet.
    linked
        Those that are known by a path through a link, by their real paths.
    """

    first: int
    left: deque[KnownImage]
    linked: dict[str, KnownImage]


class SameContent:
    """What the catalog holds of contents that turn up again while a run of indexing changes it.

    Parameters
    ----------
    catalog
        Where the images are.
    has_left
        Says whether an image's file is gone from its path.
    """

    def __init__(self, catalog: Catalog, has_left: Callable[[KnownImage], bool]) -> None:
        self._catalog = catalog
        self._has_left = has_left
        self._shared: dict[str, _Shared] = {}
        self._moved: set[int] = set()

    def find(self, content_hash: str, path: str, *, may_move: bool) -> KnownImage | ImageRow | None:
        """Return what a file with this content is.

        Parameters
        ----------
        path
            Where the file lies.
        may_move
            Whether the file may be an image that has left its path, or is known through a link.

        Returns
        -------
        KnownImage or ImageRow or None
            The image that has moved to the file, which none that is found later can be; or the
            one that the file is a copy of; or None where no image has the content any more.
        """
        shared = self._shared.get(content_hash)
        first = self._first(shared) if shared else None
        if shared is None or first is None or first.content_hash != content_hash:
            # Read anew where the first has been given another content meanwhile.
            shared, first = self._read(content_hash), None
            if shared is None:
                return None
        if may_move and (shared.left or path in shared.linked):
            # Where the catalog knows a file through a link, its real path takes the link's place.
            image = shared.linked.pop(path, None) or shared.left.popleft()
            self._moved.add(image.id)
            return image
        return first or self._first(shared)

    def _first(self, shared: _Shared) -> ImageRow | None:
        return self._catalog.images.rows([shared.first]).get(shared.first)

    def _read(self, content_hash: str) -> _Shared | None:
        images = self._catalog.images.with_content(content_hash)
        if not images:
            return None
        free = [image for image in images if image.id not in self._moved]
        left = deque(filter(self._has_left, free))
        gone = {image.id for image in left}
        by_path = {real(each.path): each for each in free if each.id not in gone}
        linked = {path: image for path, image in by_path.items() if path != image.path}
        shared = _Shared(images[0].id, left, linked)
        # A content that one image has is not kept in mind: in a folder that was renamed there may
        # be a million of them, each asked for once.
        if len(images) > 1:
            self._shared[content_hash] = shared
        return shared
