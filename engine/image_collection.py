"""The images of one store: listed, looked at, labelled, forgotten."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO

from engine.config import LARGEST, require_number
from engine.errors import ImageError, UnknownImageError, UsageError
from engine.pictures.sources.paths import exists
from index.errors import briefly

if TYPE_CHECKING:
    from engine.pictures.threads.memory import Reserve
    from engine.session.session import Session
    from index.records import ImageRow

# Of one page, whatever is asked for.
MOST = 1000
LONGEST_LABEL = 1000
# Of a thumbnail, in pixels; its quality, 0 to 100.
LARGEST_SIDE, QUALITY = 4096, 80


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What the catalog knows of one image.

    Attributes
    ----------
    id
        Its number in the catalog, which it keeps as long as it is there.
    path
        Where its file is, or was.
    content_hash
        SHA-256 of the file's content, in hexadecimal.
    width, height
        Pixels, as a viewer shows it.
    format
        What the file is: `JPEG`, `PNG`, ...
    label
        What a person says it is.
    category, probability
        What the engine says it is, and how certain it is, 0 to 1.
    indexed_at
        When it was embedded, in UTC.
    missing
        There is no file at the path any more, or its drive is not mounted.
    """

    id: int
    path: str
    content_hash: str
    width: int
    height: int
    format: str
    label: str | None
    category: str | None
    probability: float | None
    indexed_at: datetime
    missing: bool

    @classmethod
    def of(cls, row: ImageRow) -> ImageInfo:
        """Return a row of the catalog, held against the disk."""
        return cls(
            row.id,
            row.path,
            row.content_hash,
            row.width,
            row.height,
            row.format,
            row.label,
            row.category,
            row.probability,
            row.indexed_at,
            not exists(row.path),
        )


@dataclass(frozen=True, slots=True)
class ImagePage:
    """Some images in order of their ids.

    Attributes
    ----------
    images
        As many as were asked for, where there are so many.
    cursor
        What `after` has to be for those that follow; None where there are none.
    """

    images: Sequence[ImageInfo]
    cursor: int | None


class ImageCollection:
    """The images of one store.

    Parameters
    ----------
    session
        What the engine holds open.

    Examples
    --------
    page = engine.images.page(["label=chair"], limit=50)
    engine.images.relabel(page.images[0].id, "armchair")
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, image_id: int) -> ImageInfo:
        """Return one image.

        Raises
        ------
        UnknownImageError
            There is no such image.
        """
        wanted = [_whole(image_id)]
        rows = self._session.catalog().images.rows(wanted)
        if image_id not in rows:
            raise UnknownImageError.of(image_id)
        return ImageInfo.of(rows[image_id])

    @property
    def folders(self) -> list[str]:
        """The folders that were indexed, none of them in another."""
        return self._session.catalog().folders.all()

    def extension_for(self, data: bytes, name: str) -> str:
        """Return the usual extension of a picture that is no file yet, such as `jpg`.

        Raises
        ------
        ImageError
            It cannot be used; the error calls it `name`.
        """
        from engine.ingest.arrivals import extension_for

        return extension_for(data, name, self._session.embedder())

    def open(self, image_id: int) -> BinaryIO:
        """Return an image's file, opened at its start; who asks for it closes it.

        Raises
        ------
        UnknownImageError
            There is no such image.
        ImageError
            The file is gone, or holds something else than when it was indexed.
        """
        from engine.pictures.read import open_file

        image = self[image_id]
        return open_file(image.path, image.content_hash)

    def thumbnail(self, image_id: int, side: int) -> bytes:
        """Return a small copy of an image as WebP, `side` pixels on its longer side at most.

        It is decoded within the bounds of memory and time that every image is.

        Raises
        ------
        UnknownImageError, ImageError
            As of `open`; or the picture cannot be decoded.
        """
        from engine.pictures.decode import decode
        from engine.pictures.read import content_hash, read_file, require_hash
        from engine.pictures.threads.prefetch import prefetch

        require_number("side", side, 1, LARGEST_SIDE, whole=True)
        image, config = self[image_id], self._session.config
        memory = self._session.embedder().memory

        def small(image: ImageInfo) -> bytes | ImageError:
            def made(reserve: Reserve) -> bytes:
                data = read_file(image.path, config.max_file_bytes, reserve, urls=config.urls)
                require_hash(image.path, content_hash(data), image.content_hash)
                whole = decode(data, image.path, config.max_pixels, side, reserve).pixels
                whole.thumbnail((side, side))
                copy = io.BytesIO()
                whole.save(copy, "WEBP", quality=QUALITY)
                return copy.getvalue()

            try:
                return memory.turn(image.path, made)
            except ImageError as error:
                return error

        with closing(prefetch(small, [image], workers=1, window=1)) as threads:
            found = next(threads)
        if isinstance(found, ImageError):
            raise found
        return found

    def categories(self) -> dict[str, int]:
        """Return how many images the engine takes for each category.

        Raises
        ------
        StoreNotFoundError
            There is no catalog.
        """
        return dict(self._session.catalog().predictions.counts())

    def page(self, where: Sequence[str] = (), *, after: int = 0, limit: int = 100) -> ImagePage:
        """Return some of the images that meet all conditions, by id.

        Parameters
        ----------
        where
            Conditions such as `label=chair`, as of `Engine.search`.
        after
            Only images of a higher id: the `cursor` of the page before.
        limit
            How many, at most 1000.

        Raises
        ------
        FilterError
            A condition cannot be understood.
        UsageError
            There can be no such page.
        """
        from index.catalog.tables.filters import Filter

        require_number("limit", limit, 1, MOST, whole=True)
        require_number("after", after, 0, whole=True)
        condition, catalog = Filter.parse(where), self._session.catalog()
        with catalog.database.snapshot():
            # One more says whether more follow.
            ids = catalog.images.matching(condition, after=after, most=limit + 1).tolist()
            rows = catalog.images.rows(ids[:limit])
        found = [ImageInfo.of(rows[each]) for each in ids[:limit]]
        return ImagePage(found, ids[limit - 1] if len(ids) > limit else None)

    def relabel(self, image_id: int, label: str | None) -> ImageInfo:
        """Set or, with None, take away the label of an image, and return it.

        Raises
        ------
        UnknownImageError
            There is no such image.
        UsageError
            The label is no text that can be stored.
        StoreLockedError
            Another process is writing.
        """
        text = None if label is None else _label(label)
        with self._session.writing(create=False) as catalog:
            if _whole(image_id) not in catalog.images.rows([image_id]):
                raise UnknownImageError.of(image_id)
            catalog.images.relabel([(image_id, text)])
        return self[image_id]

    def forget(self, ids: Sequence[int]) -> int:
        """Forget images, whose files are left alone, and return how many these were.

        Raises
        ------
        StoreLockedError
            Another process is writing.
        """
        with self._session.writing(create=False) as catalog:
            known = list(catalog.images.rows(list(map(_whole, ids))))
            catalog.images.delete(known)
            self._session.index().settle(catalog)
        return len(known)


def _whole(image_id: int) -> int:
    require_number("id", image_id, 1, LARGEST, whole=True)
    return image_id


def _label(label: str) -> str:
    from engine.ingest.labels.label_text import label_text

    text = label_text(label)
    if not text or len(text) > LONGEST_LABEL:
        raise UsageError(
            "label",
            f"{briefly(label, 40)!r} is no label",
            f"Use 1 to {LONGEST_LABEL} characters, or none at all to take it away",
        )
    return text
