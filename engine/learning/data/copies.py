"""Copies of images: the same content, or nearly the same to the backbone, and who belongs together.

A copy in the train part answers for its twin in the test part, whatever was learned. Resizing and
re-encoding change every byte, so content alone does not tell. They move an embedding, too, the
further the smaller the image is: a copy half as large can be less similar to a small photograph
than two photographs of cars are to each other. So what counts is how similar two images are beside
what is usual around them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from index.records import Floats, Ids


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """Which images count as copies, and how they are searched for.

    Attributes
    ----------
    score
        Least score of two images as they are, no views: how much of the way from the background to
        1 their cosine similarity is. The background of an image is its mean similarity to the
        neighbours that are too far down to be copies; that of a pair is the mean of both.
    always
        So similar images are copies whatever the background.
    first, last
        From which of an image's neighbours on, and up to which, they are its background.
    background
        What is taken for it where there are no more than `last` images.
    reference
        Neighbours are looked for among so many images.
    exhaustive
        Of so many images all pairs are compared. Of more only images that have one of their nearest
        reference images in common.
    probes
        So many reference images of each are its nearest.
    block
        So many images are compared with so many others at a time.
    """

    score: float = 0.55
    always: float = 0.95
    first: int = 10
    last: int = 20
    background: float = 0.6
    reference: int = 2048
    exhaustive: int = 10_000
    probes: int = 4
    block: int = 1024

    @property
    def weight(self) -> float:
        """How much each image's background adds to the similarity that a copy must have."""
        return (1 - self.score) / 2


def copy_groups(
    hashes: Sequence[str], unit: Floats, rows: Ids, options: CopyOptions | None = None
) -> Ids:
    """Return the position of the first image of each one's group of copies, int64 `[m]`.

    Copies have the same content, or a cosine similarity `s` to each other such that
    `(s - b) / (1 - b)` is at least `CopyOptions.score`, where `b` is what images that are no copies
    have around here (scores normalised by a background, as in Pizzi et al. 2022, "A self-supervised
    descriptor for image copy detection"). Copies of a copy are in the same group (single linkage).

    Images are compared block by block, so that memory grows with them and not with their pairs.

    Parameters
    ----------
    hashes
        Content hash of each image, `m` of them.
    unit
        Unit vectors, float32 `[n, dim]`.
    rows
        int64 `[m]`, the row of each image as it is.
    """
    options = options or CopyOptions()
    first: dict[str, int] = {}
    group = np.array([first.setdefault(digest, at) for at, digest in enumerate(hashes)], np.int64)
    own = np.unique(group)
    rows = rows[own]
    background, nearest = _surroundings(unit, rows, options)
    asked = options.weight * background
    for one, other in _blocks(nearest, options):
        at_one, at_other = group[own[one]], group[own[other]]
        if (at_one == at_other[0]).all() and (at_other == at_other[0]).all():
            continue
        scores = unit[rows[one]] @ unit[rows[other]].T
        scores -= asked[one, None]
        scores -= asked[other]
        copies = np.flatnonzero(scores >= options.score)
        _join(group, own[one[copies // len(other)]], own[other[copies % len(other)]])
    return group


def _surroundings(unit: Floats, rows: Ids, options: CopyOptions) -> tuple[Floats, Ids]:
    """Return the background of each image, float32 `[m]`, and its nearest reference images.

    A background is never above what `always` asks for. The reference images are in int64
    `[m, probes]`, by their positions.
    """
    most = (options.always - options.score) / (1 - options.score)
    count = len(rows)
    if count <= options.last:
        background = np.full(count, min(most, options.background), np.float32)
        return background, np.zeros((count, 1), np.int64)
    every = -(-count // options.reference)
    reference = unit[rows[::every]]
    last = min(options.last, len(reference) - 1)
    background = np.empty(count, np.float32)
    nearest = np.empty((count, min(options.probes, last)), np.int64)
    for start in range(0, count, options.block):
        scores = unit[rows[start : start + options.block]] @ reference.T
        end = start + len(scores)
        order = np.argpartition(-scores, nearest.shape[1] - 1, axis=1)
        nearest[start:end] = order[:, : nearest.shape[1]]
        own = np.arange(start, end)
        own = own[own % every == 0]
        scores[own - start, own // every] = -1
        ranked = -np.sort(np.partition(-scores, last, axis=1)[:, :last], axis=1)
        background[start:end] = ranked[:, options.first :].mean(axis=1)
    return np.minimum(background, np.float32(most)), nearest


def _blocks(nearest: Ids, options: CopyOptions) -> Iterator[tuple[Ids, Ids]]:
    """Yield which images to compare with which others, int64, until all that may be copies were.

    Parameters
    ----------
    nearest
        int64 `[m, probes]`, the reference images that each is nearest to.
    """
    count, probes = nearest.shape
    parts = [np.arange(count)]
    if count > options.exhaustive:
        order = np.argsort(nearest.ravel(), kind="stable")
        ends = np.cumsum(np.bincount(nearest.ravel()))
        parts = np.split(order // probes, ends[:-1])
    for part in parts:
        for start in range(0, len(part), options.block):
            for other in range(start, len(part), options.block):
                yield part[start : start + options.block], part[other : other + options.block]


def _join(group: Ids, one: Ids, other: Ids) -> None:
    """Give the groups of each pair of images the least position of all that are joined."""
    pairs = np.stack([group[one], group[other]])
    pairs = pairs[:, pairs[0] != pairs[1]]
    if not pairs.size:
        return
    nodes, ends = np.unique(pairs, return_inverse=True)
    one_end, other_end = ends.reshape(pairs.shape)
    links = coo_array((np.ones(len(one_end)), (one_end, other_end)), shape=(len(nodes),) * 2)
    _, component = connected_components(links, directed=False)
    # Nodes ascend, so the first of a component is its least.
    _, first = np.unique(component, return_index=True)
    target = np.arange(len(group))
    target[nodes] = nodes[first[component]]
    group[:] = target[group]
