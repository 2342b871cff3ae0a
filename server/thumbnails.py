"""Small copies of the catalog's pictures, made when they are first asked for."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from engine import Engine
from engine.image_collection import ImageInfo
from server.problems import RefusedError

MEDIA_TYPE = "image/webp"
CACHED_BYTES = 64 << 20


class Thumbnails:
    """Those that were asked for last stay in memory, named by content: they are never stale.

    Parameters
    ----------
    engine
        Whose pictures they are of.
    most
        Bytes of all that are kept.
    """

    def __init__(self, engine: Engine, most: int = CACHED_BYTES) -> None:
        self._engine = engine
        self._most = most
        self._held = 0
        self._lock = Lock()
        self._made: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def of(self, image: ImageInfo, side: int) -> bytes:
        """Return the thumbnail of an image as WebP.

        Parameters
        ----------
        side
            Pixels of its longer side, at most.

        Raises
        ------
        ImageError
            The file cannot be read any more, or holds another picture than was indexed.
        """
        key = image.content_hash, side
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        data = self._engine.images.thumbnail(image.id, side)
        with self._lock:
            if key not in self._made:
                self._made[key] = data
                self._held += len(data)
            while self._held > self._most:
                self._held -= len(self._made.popitem(last=False)[1])
        return data


def require_side(side: int, sides: tuple[int, ...]) -> int:
    """Insist on a size that thumbnails have.

    Raises
    ------
    RefusedError
        They have no such size.
    """
    if side not in sides:
        sizes = ", ".join(map(str, sides))
        raise RefusedError(
            400, "UsageError", f"size {side}", "thumbnails have no such size", f"Use one of {sizes}"
        )
    return side
