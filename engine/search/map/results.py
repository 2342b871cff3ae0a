"""What the map of a catalog is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CatalogMap:
    """Where the images of a catalog lie in a plane.

    Attributes
    ----------
    method
        `pca`: the two directions in which embeddings differ most; or `umap`: neighbours stay
        neighbours, and how far groups lie apart says little.
    ids
        The images, ascending.
    x, y
        Their positions, 0 to 1, both in one scale.
    categories
        Names of what images are coloured by.
    category
        For each image the number of its category in `categories`, -1 where it has none.
    stale
        The catalog has changed since: images that are new are not in it.
    """

    method: str
    ids: Sequence[int]
    x: Sequence[float]
    y: Sequence[float]
    categories: Sequence[str]
    category: Sequence[int]
    stale: bool


@dataclass(frozen=True, slots=True)
class MapReport:
    """What `Maps.make` did.

    Attributes
    ----------
    method
        How positions were found.
    images
        How many have one.
    """

    method: str
    images: int
