"""Labelled images and their embeddings: the one value that every step of learning takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from engine.learning.data.copies import CopyOptions, copy_groups
from engine.learning.data.propagation import Surroundings
from engine.learning.data.refused import Refused
from engine.pictures.augment import ORIGINAL
from engine.skipped import Skipped
from index.records import Ids, Vectors


@dataclass(frozen=True)
class Examples:
    """`m` labelled images with the embeddings of `n >= m` views of them.

    Attributes
    ----------
    hashes
        Content hash of each image, SHA-256 in hexadecimal, `m` of them.
    paths
        File of each image, `m` of them; an empty one where it is not known.
    categories
        Names of the labels, in order of their positions.
    labels
        int64 `[m]`, the position in `categories` of each image's label.
    vectors
        Embeddings, `n` rows.
    image
        int64 `[n]`, the position of the image that each row is a view of.
    view
        int64 `[n]`, the position in `views` of each row's view. Each image has exactly one row
        of view 0.
    views
        Names of the views; the first is the image as it is.
    skipped
        Files of the data set that could not be used.
    embedded
        How many images had to be opened and embedded; the others' embeddings were in the store.
    notes
        How the data set was read, and what was left out.
    copies
        Which images count as copies of each other.
    around
        Images of the catalog without a label that are learned from, too, where images are few.
    refused
        Images that show none of the categories, as far as that was said.
    """

    hashes: tuple[str, ...]
    paths: tuple[str, ...]
    categories: tuple[str, ...]
    labels: Ids
    vectors: Vectors
    image: Ids
    view: Ids
    views: tuple[str, ...] = (ORIGINAL,)
    skipped: tuple[Skipped, ...] = ()
    embedded: int = 0
    notes: tuple[str, ...] = ()
    copies: CopyOptions = field(default_factory=CopyOptions)
    around: Surroundings | None = None
    refused: Refused | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    @property
    def row_labels(self) -> Ids:
        """The label of each row, int64 `[n]`."""
        return self.labels[self.image]

    @property
    def originals(self) -> Ids:
        """The row of each image as it is, int64 `[m]`."""
        rows = np.empty(len(self), np.int64)
        first = np.flatnonzero(self.view == 0)
        rows[self.image[first]] = first
        return rows

    @cached_property
    def groups(self) -> Ids:
        """The position of the first image in the same group of copies, int64 `[m]`.

        Images of one group are copies, exact or nearly so (`copies.copy_groups`), and belong on the
        same side of every split.
        """
        return copy_groups(self.hashes, self.vectors.unit, self.originals, self.copies)

    def rows_of(self, images: Ids, views: int | None = None) -> Ids:
        """Return the rows of the first so many views, or all, of these images, int64, ascending."""
        wanted = np.zeros(len(self), np.bool_)
        wanted[images] = True
        rows = np.flatnonzero(wanted[self.image])
        return rows if views is None else rows[self.view[rows] < views]

    def take(self, images: Ids, views: int | None = None) -> Examples:
        """Return these images alone, in this order, with copies of their embeddings.

        Parameters
        ----------
        images
            int64, positions of different images.
        views
            Take the first so many views alone; None for all.
        """
        rows = self.rows_of(images, views)
        position = np.full(len(self), -1, np.int64)
        position[images] = np.arange(len(images))
        return replace(
            self,
            hashes=tuple(self.hashes[at] for at in images.tolist()),
            paths=tuple(self.paths[at] for at in images.tolist()),
            labels=self.labels[images],
            vectors=self.vectors[rows],
            image=position[self.image[rows]],
            view=self.view[rows],
            around=self.around and self.around.take(images),
        )


def label_positions(labels: Sequence[str]) -> tuple[tuple[str, ...], Ids]:
    """Return the different labels in alphabetical order, and each label's position, int64 `[n]`."""
    names = tuple(sorted(set(labels)))
    position = {name: at for at, name in enumerate(names)}
    return names, np.array([position[label] for label in labels], np.int64)
