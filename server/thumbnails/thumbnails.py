"""Small copies of the catalog's pictures, made when they are first asked for or soon will be."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from engine import Engine
from engine.errors import UnknownImageError
from engine.image_collection import ImageInfo
from server.options import ServerLimits
from server.responses.problems import RefusedError
from server.thumbnails.disk_cache import DiskCache

MEDIA_TYPE = "image/webp"
# Changed where thumbnails of the same content are drawn otherwise.
VERSION = "1"
# Of the content's hash, that an address must say to be of this content for ever.
LEAST_OF_HASH = 8


class Thumbnails:
    """Those that were made or asked for last stay in memory, and more of them in the user's cache.

    They are named by content: they are never stale.

    Parameters
    ----------
    engine
        Whose pictures they are of.
    limits
        How much is cached, and which sizes there are.
    """

    def __init__(self, engine: Engine, limits: ServerLimits) -> None:
        self._engine = engine
        self._limits = limits
        self._held = 0
        self._lock = Lock()
        self._made: OrderedDict[str, bytes] = OrderedDict()
        self._disk = DiskCache(_folder(engine), limits.thumbnail_disk_bytes)

    def cached(self, image: ImageInfo, side: int) -> bytes | None:
        """Return the thumbnail of an image if it was made before."""
        name = _name(image, side)
        with self._lock:
            if name in self._made:
                self._made.move_to_end(name)
                return self._made[name]
        data = self._disk.read(name)
        if data is not None:
            self._remember(name, data)
            self._forget_gone(image)
        return data

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
        # Whoever waited behind another request for the same finds it.
        data = self.cached(image, side)
        if data is None:
            data = self._engine.images.thumbnail(image.id, side)
            self._remember(_name(image, side), data)
            self._disk.write(_name(image, side), data)
            self._forget_gone(image)
        return data

    def forget(self, image: ImageInfo) -> None:
        """Leave nothing of an image."""
        for side in self._limits.thumbnail_sides:
            name = _name(image, side)
            with self._lock:
                self._held -= len(self._made.pop(name, b""))
            self._disk.remove(name)

    def _forget_gone(self, image: ImageInfo) -> None:
        """Leave nothing of an image that was forgotten while its thumbnail was made."""
        # Who forgets takes it out of the catalog first: one of both sees what was written.
        try:
            gone = self._engine.images[image.id].content_hash != image.content_hash
        except UnknownImageError:
            gone = True
        if gone:
            self.forget(image)

    def _remember(self, name: str, data: bytes) -> None:
        with self._lock:
            if name not in self._made:
                self._made[name] = data
                self._held += len(data)
            while self._held > self._limits.thumbnail_bytes:
                self._held -= len(self._made.popitem(last=False)[1])


def is_of_content(version: str | None, image: ImageInfo) -> bool:
    """Say whether an address names the content that it is of, by the beginning of its hash."""
    return (
        version is not None
        and len(version) >= LEAST_OF_HASH
        and image.content_hash.startswith(version)
    )


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


def _name(image: ImageInfo, side: int) -> str:
    return f"{image.content_hash}-{side}"


def _folder(engine: Engine) -> Path:
    """Return where the thumbnails of a store are cached: those of another one lie elsewhere."""
    store = hashlib.sha256(str(engine.config.store.folder.absolute()).encode("utf-8", "replace"))
    return engine.config.cache / "thumbnails" / VERSION / store.hexdigest()[:16]
