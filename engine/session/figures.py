"""Figures of a store that cost next to nothing: for whoever asks every few seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.session.session import Session


@dataclass(frozen=True, slots=True)
class Figures:
    """How large a store is, and how far its index is behind.

    Attributes
    ----------
    images
        In the catalog, and visible.
    not_in_index
        How many of them the next search has to put into the index first; None where the index has
        not been opened yet.
    """

    images: int
    not_in_index: int | None


def figures(session: Session) -> Figures:
    """Return them; nothing is opened or brought in step for it but the catalog."""
    catalog = session.catalog()
    with catalog.database.snapshot():
        images = catalog.image_count()
        return Figures(images, session.index().lag(catalog, images))
