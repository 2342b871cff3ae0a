"""What images without a label show, by labels that spread over the graph of nearest neighbours.

Label propagation after Zhou et al. 2004, "Learning with local and global consistency": every image
hands what it knows on to its neighbours, and labelled ones keep to what they are. Where examples
are few, the images that are claimed with confidence serve as examples, too, each as far as it is.

Labelled images are no part of the graph that is kept here: they are joined to it anew by those that
may be seen, so that nothing of an image to test on takes part in the training that it tests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, diags_array

from index.catalog.catalog import Catalog
from index.records import Floats, Ids, Vectors
from index.vectors.graph import NeighbourGraph
from index.vectors.index import VectorIndex


@dataclass(frozen=True, slots=True)
class PropagationOptions:
    """How labels spread.

    Attributes
    ----------
    fewer_than
        Of more images of a category, on average, the catalog helps no head: docs/heads.md.
    unequal
        Where one of two categories has so many times as many images as the other, it may be all
        else, which has no neighbourhood of its own: measured, claims cost seven points there.
    neighbours, power, alpha
        Edges of each image, the power of the cosine that they weigh, and the share of what an image
        says that it has from its neighbours: the usual values.
    steps
        Of handing on.
    most
        At most so many images around the examples take part.
    asked
        Nearest images that the index is asked for: some have a label, or are copies.
    least
        Images claimed with less confidence are left out.
    copies, always
        As `score` and `always` of `CopyOptions`.
    """

    fewer_than: int = 8
    unequal: float = 2.0
    neighbours: int = 10
    power: float = 3.0
    alpha: float = 0.8
    steps: int = 40
    most: int = 20_000
    asked: int = 60
    least: float = 0.01
    copies: float = 0.55
    always: float = 0.95


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`n` images without a label around `m` examples, none of them a copy of an example.

    Attributes
    ----------
    vectors
        Embeddings, `n` rows.
    neighbours, cosines
        Positions among these, int64 `[n, k]`, -1 for none, and float32 `[n, k]`.
    nearest, nearest_cosines
        The same of each example, `[m, k]`.
    options
        How labels spread.
    """

    vectors: Vectors
    neighbours: Ids
    cosines: Floats
    nearest: Ids
    nearest_cosines: Floats
    options: PropagationOptions

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.neighbours)

    def take(self, examples: Ids) -> Surroundings:
        """Return the surroundings of these examples alone."""
        return replace(
            self,
            nearest=self.nearest[examples],
            nearest_cosines=self.nearest_cosines[examples],
        )


@dataclass(frozen=True, slots=True)
class Claimed:
    """Images without a label, and what they are taken for.

    Attributes
    ----------
    images
        Positions in `Surroundings`, int64 `[c]`.
    labels
        int64 `[c]`.
    confidence
        What each counts beside a labelled image, float32 `[c]`, above 0 and at most 1.
    """

    images: Ids
    labels: Ids
    confidence: Floats


def surroundings_of(
    unit: Floats,
    hashes: frozenset[str],
    catalog: Catalog,
    index: VectorIndex,
    options: PropagationOptions,
) -> Surroundings | None:
    """Return the catalog's images without a label around examples; None where there are none.

    Parameters
    ----------
    unit
        Unit vectors of the examples, float32 `[m, dim]`.
    hashes
        Content hashes of the examples.
    """
    graph = index.graph
    if graph is None:
        return None
    free = [
        each.id
        for each in catalog.contents.visible()
        if each.label is None and each.content_hash not in hashes
    ]
    allowed: Ids = np.sort(np.array(free, np.int64))
    hits = index.search(np.ascontiguousarray(unit), min(options.asked, len(graph)))
    cosines, ids = hits.scores, hits.ids
    nodes = _around(graph, ids, allowed, options)
    if len(nodes) < 2:
        return None
    found, vectors = catalog.embeddings.of(nodes.tolist())
    order = np.argsort(found)
    nodes, vectors = found[order], vectors[order]
    rows = graph.rows_of(nodes)
    own = np.take(graph.arrays.cosines, rows, axis=0).astype(np.float32)
    copies = _copies(vectors.unit, own, unit, cosines, options)
    nodes, rows, own, vectors = nodes[~copies], rows[~copies], own[~copies], vectors[~copies]
    if len(nodes) < 2:
        return None
    known = np.take(graph.arrays.neighbours, rows, axis=0)
    others = np.where(known >= 0, np.take(graph.arrays.ids, known, mode="clip"), -1)
    neighbours, weights = _first(_positions(others, nodes), own, options.neighbours)
    nearest, nearest_cosines = _first(_positions(ids, nodes), cosines, options.neighbours)
    return Surroundings(vectors, neighbours, weights, nearest, nearest_cosines, options)


def claimed(
    around: Surroundings, unit: Floats, labels: Ids, examples: Ids, outputs: int
) -> Claimed:
    """Return the images that these examples claim.

    Confidence is one less the entropy of what spread to an image, as a share of the largest one;
    less where less spread to it than to half of the labelled images.

    Parameters
    ----------
    unit, labels
        Of all examples, float32 `[m, dim]` and int64 `[m]`.
    examples
        Those whose labels spread, int64 `[t]`.
    outputs
        How many labels there are.
    """
    options, count = around.options, len(around)
    given = labels[examples]
    if len(np.unique(given)) < 2:
        nothing = np.zeros(0, np.int64)
        return Claimed(nothing, nothing, nothing.astype(np.float32))
    weights = _edges(around, unit[examples], examples)
    sizes = np.bincount(given, minlength=outputs)
    first = np.zeros((count + len(examples), outputs))
    first[count + np.arange(len(examples)), given] = 1 / sizes[given]
    spread = first
    for _ in range(options.steps):
        spread = options.alpha * (weights @ spread) + first
    # Of a category that many images surround no image gets more than of another.
    spread = spread / np.maximum(spread.sum(axis=0), 1e-12)
    mass = spread.sum(axis=1)
    share = spread / np.maximum(mass, 1e-30)[:, None]
    entropy = -(share * np.log(np.maximum(share, 1e-12))).sum(axis=1)
    usual = max(float(np.median(mass[count:])), 1e-30)
    sure = np.clip(1 - entropy / np.log(outputs), 0, 1) * np.minimum(1, mass / usual)
    images = np.flatnonzero(sure[:count] >= options.least)
    confidence = sure[images].astype(np.float32)
    return Claimed(images, share[images].argmax(axis=1).astype(np.int64), confidence)


def _around(graph: NeighbourGraph, nearest: Ids, allowed: Ids, options: PropagationOptions) -> Ids:
    """Return the images around the nearest ones, neighbours of neighbours, ascending."""
    nodes = np.intersect1d(nearest[nearest >= 0], allowed)
    newest = nodes
    while len(newest) and len(nodes) < options.most:
        rows = graph.rows_of(newest)
        known = np.take(graph.arrays.neighbours, rows[rows >= 0], axis=0)
        known = known[:, : options.neighbours]
        ids = np.take(graph.arrays.ids, known[known >= 0], mode="clip")
        newest = np.setdiff1d(np.intersect1d(ids, allowed), nodes)[: options.most - len(nodes)]
        nodes = np.union1d(nodes, newest)
    return nodes[graph.rows_of(nodes) >= 0]


def _copies(
    unit: Floats,
    cosines: Floats,
    examples: Floats,
    nearest_cosines: Floats,
    options: PropagationOptions,
) -> npt.NDArray[np.bool_]:
    """Say which images are copies of examples, as `copy_groups` does, bool `[n]`."""
    score, first, last = options.copies, 10, 20
    most = (options.always - score) / (1 - score)
    background = np.minimum(cosines[:, first:last].mean(axis=1), most)
    other = np.minimum(nearest_cosines[:, first:last].mean(axis=1), most)
    if nearest_cosines.shape[1] < last:
        other = np.full(len(examples), most, np.float32)
    least = score + (1 - score) / 2 * (background[:, None] + other)
    found: npt.NDArray[np.bool_] = (unit @ examples.T >= least).any(axis=1)
    return found


def _positions(ids: Ids, nodes: Ids) -> Ids:
    """Return where ids are among ascending nodes, -1 where they are not."""
    found = np.minimum(np.searchsorted(nodes, ids), len(nodes) - 1)
    return np.where(nodes[found] == ids, found, -1)


def _first(positions: Ids, cosines: Floats, count: int) -> tuple[Ids, Floats]:
    """Return the first so many that are there, and their cosines."""
    order = np.argsort(positions < 0, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(positions, order, 1), np.take_along_axis(cosines, order, 1)


def _edges(around: Surroundings, unit: Floats, examples: Ids) -> Any:
    """Return the symmetric normalized weights of images and examples, sparse `[n + t, n + t]`."""
    options, count = around.options, len(around)
    among = unit @ unit.T
    np.fill_diagonal(among, -1)
    several = min(options.neighbours, len(unit) - 1)
    best = np.argsort(-among, axis=1, kind="stable")[:, :several]
    columns = np.concatenate([around.nearest[examples], count + best], axis=1)
    cosines = np.concatenate(
        [around.nearest_cosines[examples], np.take_along_axis(among, best, 1)], axis=1
    )
    # Of the nearest, labelled or not, an example has as many edges as any other image.
    order = np.argsort(np.where(columns < 0, 2, -cosines), axis=1, kind="stable")
    order = order[:, : options.neighbours]
    own, own_cosines = np.take_along_axis(columns, order, 1), np.take_along_axis(cosines, order, 1)
    ends = np.concatenate([around.neighbours.ravel(), own.ravel()])
    starts = np.concatenate(
        [
            np.repeat(np.arange(count), around.neighbours.shape[1]),
            np.repeat(count + np.arange(len(examples)), own.shape[1]),
        ]
    )
    values = np.concatenate([around.cosines.ravel(), own_cosines.ravel()]).astype(np.float64)
    values = np.clip(values, 0, 1) ** options.power
    there = ends >= 0
    size = count + len(examples)
    directed = csr_array((values[there], (starts[there], ends[there])), shape=(size, size))
    weights = directed.maximum(directed.T)
    degree = np.maximum(np.asarray(weights.sum(axis=1)).ravel(), 1e-12)
    scale = diags_array(1 / np.sqrt(degree))
    return (scale @ weights @ scale).tocsr()
