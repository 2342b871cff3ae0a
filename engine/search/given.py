"""What a search is given, before anything of it is embedded: pictures, ids and texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.embedding.embedder import Embedder
from engine.errors import UsageError
from engine.pictures.crop import Crop
from engine.search.queries import Pictures, as_list, embedded_images, stored_embeddings
from engine.search.results import EmbeddedImages
from engine.search.terms import Terms
from engine.skipped import Skipped
from index.catalog.catalog import Catalog
from index.records import Vectors

if TYPE_CHECKING:
    from engine.heads.head import Head
    from engine.search.text.words import TextTower

HINT = "; to search for words, write --text WORDS (in Python text=)"


@dataclass(frozen=True, slots=True)
class Given:
    """Terms of a query as somebody gives them.

    Attributes
    ----------
    images, ids, texts
        What is added: pictures, or images of the catalog, and texts.
    without, without_ids, without_texts
        What is subtracted, likewise.
    crop
        The part of each picture of `images` that counts.

    Raises
    ------
    UsageError
        There is nothing to add, or a part of pictures that there are not.
    """

    images: Pictures = ()
    ids: Sequence[int] = ()
    texts: Sequence[str] = ()
    without: Pictures = ()
    without_ids: Sequence[int] = ()
    without_texts: Sequence[str] = ()
    crop: Crop | None = None

    def __post_init__(self) -> None:
        if self.has_images or self.ids:
            return
        if not self.texts:
            taken = has_any(self.without) or self.without_ids or self.without_texts
            reason = "there is only what is subtracted" if taken else "no picture was named"
            remedy = "Name a path, a URL, or - for stdin, or give words with --text"
            raise UsageError("IMAGE", reason, remedy)
        if self.crop is not None:
            reason, remedy = "there is no picture to take a part of", "Leave it out for words alone"
            raise UsageError("crop", reason, remedy)

    @property
    def has_images(self) -> bool:
        """Whether pictures are added, not by their ids."""
        return has_any(self.images)

    @property
    def has_texts(self) -> bool:
        """Whether anything has to be understood."""
        return bool(self.texts or self.without_texts)

    def embedded(self, embedder: Embedder, skipped: list[Skipped] | None) -> Embedded:
        """Return the same with its pictures embedded.

        Raises
        ------
        UsageError, ImageError
            As `embedded_images`.
        """
        added = taken = None
        if self.has_images and not self.ids:
            added = embedded_images(embedder, self.images, skipped, self.crop, HINT)
        if has_any(self.without):
            taken = embedded_images(embedder, self.without, skipped)
        return Embedded(self, added, taken)


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """What a search was given, its pictures embedded.

    Attributes
    ----------
    given
        All of it.
    added, taken
        The pictures that are added, and subtracted; None where there are none.
    """

    given: Given
    added: EmbeddedImages | None
    taken: EmbeddedImages | None

    def terms(
        self, catalog: Catalog, dim: int, tower: TextTower | None, heads: Sequence[Head]
    ) -> Terms:
        """Return the terms of the query, ids looked up and texts understood.

        Parameters
        ----------
        tower
            Understands texts; None where there are none.
        heads
            Whose categories may be meant.

        Raises
        ------
        UsageError, UnknownImageError, EmbeddingDamagedError
            As `stored_embeddings`.
        """
        given = self.given
        names, vectors = _of(self.added, dim)
        if given.ids:
            names, vectors = stored_embeddings(catalog, given.ids, given.images, given.crop)
        without, without_vectors = _of(self.taken, dim)
        if given.without_ids:
            paths, stored = stored_embeddings(catalog, given.without_ids)
            without = [*without, *paths]
            without_vectors = Vectors.concatenate([without_vectors, stored])
        texts = [] if tower is None else tower.vectors((*given.texts, *given.without_texts), heads)
        count = len(given.texts)
        return Terms(names, vectors, without, without_vectors, texts[:count], texts[count:])


def _of(images: EmbeddedImages | None, dim: int) -> tuple[Sequence[str], Vectors]:
    return ([], Vectors.empty(dim)) if images is None else (images.names, images.vectors)


def has_any(images: Pictures) -> bool:
    """Say whether there are any pictures."""
    return bool(len(images) if isinstance(images, EmbeddedImages) else as_list(images))
