"""Building compressed vectors: trained on a sample, filled in chunks, held against exact search.

The sample alone is held as it is; all other vectors pass through in chunks, so memory stays near
what the finished index takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import faiss as _faiss
import numpy as np
import numpy.typing as npt

from index.records import Floats, Ids
from index.vectors.autotune import DEPTHS, NEIGHBOURS, Trial, Truth, Tuning, tune
from index.vectors.choose import CODE_BITS, DIRECTIONS_PER_CODE, Plan
from index.vectors.inner_product import product_with
from index.vectors.ivf import CompressedVectors
from index.vectors.ivf_probe import EVERYTHING
from index.vectors.mask import Within
from index.vectors.rotation import Rotation

# FAISS's type stubs know nothing of what its Python layer adds.
faiss: Any = _faiss

SAMPLE_PER_LIST = 25
LEAST_SAMPLE = 20_000
ROUNDS = 10
QUERIES = 1000
# Of what a filter allows more must be known than is looked for, so that ties are seen; among the
# nearest so many nearly every query has that many.
KNOWN = NEIGHBOURS + 2
KNOWN_DEPTH = 2 * DEPTHS[-1]
# Image ids of the sample are needed to leave a query out of its own results.
Chunk = tuple[Ids, Floats]
Progress = Callable[[int], None]
_TRIAL = Tuning(0.0, 0, ((1, EVERYTHING),))


def sample_size(plan: Plan) -> int:
    """Return how many vectors `build` wants to be trained on."""
    return max(LEAST_SAMPLE, plan.lists * SAMPLE_PER_LIST)


def build(
    plan: Plan, sample: Chunk, chunks: Iterable[Chunk], progress: Progress | None = None
) -> CompressedVectors:
    """Arrange vectors as `plan` says.

    Parameters
    ----------
    sample
        Ids and unit vectors of images chosen at random, float32 `[m, dim]`.
    chunks
        Ids and unit vectors of all images, the sample's among them.
    progress
        Is told how many images have been added.
    """
    rotate = Rotation(sample[1].shape[1])
    # What was trained on is found more easily than what was not: it may not measure.
    apart = max(0, min(QUERIES, len(sample[0]) // 4, len(sample[0]) - plan.lists))
    queries = (sample[0][:apart], sample[1][:apart])
    inner = _trained(plan, rotate(sample[1][apart:]))
    nearest = _Nearest(*queries)
    ids: list[Ids] = []
    inverse: list[Floats] = []
    done = 0
    for chunk_ids, unit in chunks:
        rotated = rotate(unit)
        inner.add(rotated)
        inverse.append(inverse_lengths(inner, rotated))
        nearest.see(chunk_ids, unit, done)
        ids.append(chunk_ids)
        done += len(chunk_ids)
        if progress is not None:
            progress(done)
    built = CompressedVectors(
        inner, np.concatenate(ids), np.concatenate(inverse), _TRIAL, trained_on=done
    )
    built.tuning = measure(built, queries, nearest.found())
    return built


def extend(old: CompressedVectors, chunks: Iterable[Chunk]) -> CompressedVectors:
    """Return the same arrangement with images added; `old` must not be mapped from a file."""
    rotate = Rotation(int(old.inner.d))
    ids, inverse = [np.asarray(old.ids)], [np.asarray(old.inverse)]
    for chunk_ids, unit in chunks:
        rotated = rotate(unit)
        old.inner.add(rotated)
        ids.append(chunk_ids)
        inverse.append(inverse_lengths(old.inner, rotated))
    return CompressedVectors(
        old.inner,
        np.concatenate(ids),
        np.concatenate(inverse),
        old.tuning,
        old.trained_on,
        old.hidden,
    )


def measure(built: CompressedVectors, queries: Chunk, truth: Truth) -> Tuning:
    """Return the cheapest way of looking whose recall reaches the target, filters on and off."""
    ids, unit = queries
    own = {int(image_id): place for place, image_id in enumerate(built.ids)} if len(ids) else {}
    places = np.array([own[int(image_id)] for image_id in ids], np.int64)
    everything = Within.of(np.ones(built.total, np.bool_))

    def look(gap: float, candidates: int) -> Ids:
        _, found = built.look(unit, NEIGHBOURS + 1, everything, gap, candidates)
        # The query itself stands among its results; it must not count as found.
        others = np.where(found == places[:, None], -1, found)
        order = np.argsort(others < 0, axis=1, kind="stable")
        return np.take_along_axis(others, order, axis=1)[:, :NEIGHBOURS]

    needed = built.gaps_needed(unit, truth.places)
    trials = [Trial(NEIGHBOURS, look, truth, needed[:, :NEIGHBOURS])]
    rng = np.random.default_rng(0)
    for depth in DEPTHS[1:]:
        if truth.depth > depth:
            allowed = rng.random(built.total) < NEIGHBOURS / depth
            allowed[places] = False
            trials += _filtered(built, unit, truth, allowed, depth, needed[:, :depth])
    return tune(trials, lambda gap: built.lists_within(unit, gap))


def _filtered(
    built: CompressedVectors,
    unit: Floats,
    truth: Truth,
    allowed: npt.NDArray[np.bool_],
    depth: int,
    needed: Floats,
) -> list[Trial]:
    """Return the trial that only the images allowed are searched for, if enough is known."""
    known = allowed[truth.places]
    rows = np.flatnonzero(known.sum(axis=1) >= KNOWN)
    if not len(rows):
        return []
    first = np.argsort(~known[rows], axis=1, kind="stable")[:, :KNOWN]
    nearest = Truth(
        np.take_along_axis(truth.places[rows], first, axis=1),
        np.take_along_axis(truth.scores[rows], first, axis=1),
    )
    within = built.within(np.asarray(built.ids[allowed], np.int64))

    def look(gap: float, candidates: int) -> Ids:
        return built.look(unit[rows], NEIGHBOURS, within, gap, candidates)[1]

    return [Trial(depth, look, nearest, needed)]


def inverse_lengths(inner: _faiss.IndexRefine, rotated: Floats) -> Floats:
    """Return one over the lengths of what the codes of these vectors stand for, float32 `[n]`."""
    codes = faiss.downcast_index(inner.refine_index)
    decoded = codes.sa_decode(codes.sa_encode(rotated))
    lengths = np.maximum(np.linalg.norm(decoded, axis=1), np.finfo(np.float32).tiny)
    # A zero embedding has no direction, and must stay the least similar to everything.
    return np.where(lengths > 0.5, 1 / lengths, 1).astype(np.float32)


class _Nearest:
    """The nearest of every query, gathered while all vectors pass by."""

    def __init__(self, ids: Ids, unit: Floats) -> None:
        self._ids = ids
        self._products = product_with(unit)
        self._places = np.zeros((len(ids), 0), np.int64)
        self._scores = np.zeros((len(ids), 0), np.float32)

    def see(self, ids: Ids, unit: Floats, start: int) -> None:
        scores = self._products.apply(np.ascontiguousarray(unit)).T
        scores[self._ids[:, None] == ids] = -2
        places = np.broadcast_to(np.arange(start, start + len(ids)), scores.shape)
        self._scores = np.concatenate([self._scores, scores], axis=1)
        self._places = np.concatenate([self._places, places], axis=1)
        if self._scores.shape[1] > KNOWN_DEPTH:
            self._keep(np.argpartition(-self._scores, KNOWN_DEPTH - 1, axis=1)[:, :KNOWN_DEPTH])

    def found(self) -> Truth:
        """What was nearest, best first."""
        self._keep(np.argsort(-self._scores, axis=1))
        return Truth(self._places, self._scores)

    def _keep(self, columns: Ids) -> None:
        self._places = np.take_along_axis(self._places, columns, axis=1)
        self._scores = np.take_along_axis(self._scores, columns, axis=1)


def _trained(plan: Plan, rotated: Floats) -> _faiss.IndexRefine:
    """Return the empty index, its projection, centroids and codes fitted to rotated vectors."""
    dim, metric = rotated.shape[1], faiss.METRIC_INNER_PRODUCT
    projection = faiss.LinearTransform(dim, plan.scan_dim, False)
    matrix = _main_directions(rotated, plan.scan_dim)
    faiss.copy_array_to_vector(matrix.ravel(), projection.A)
    projection.is_trained = True
    projected = np.ascontiguousarray(rotated @ matrix.T)
    lists = _trained_lists(plan, projected)
    codes = faiss.index_factory(dim, plan.refine, metric)
    codes.train(rotated)
    refined: _faiss.IndexRefine = faiss.IndexRefine(
        faiss.IndexPreTransform(projection, lists), codes
    )
    return refined


def _trained_lists(plan: Plan, projected: Floats) -> _faiss.IndexIVFPQFastScan:
    """Return empty inverted lists, their centroids and codes fitted to projected vectors."""
    clustering = faiss.Kmeans(
        plan.scan_dim,
        plan.lists,
        niter=ROUNDS,
        seed=1,
        max_points_per_centroid=4 * SAMPLE_PER_LIST,
        min_points_per_centroid=1,
    )
    clustering.train(projected)
    metric = faiss.METRIC_INNER_PRODUCT
    quantizer = faiss.IndexFlatIP(plan.scan_dim)
    quantizer.add(clustering.centroids)
    pairs = plan.scan_dim // DIRECTIONS_PER_CODE
    lists: _faiss.IndexIVFPQFastScan = faiss.IndexIVFPQFastScan(
        quantizer, plan.scan_dim, plan.lists, pairs, CODE_BITS, metric
    )
    lists.by_residual = True
    lists.pq.cp.min_points_per_centroid = 1
    lists.train(projected)
    return lists


def _main_directions(rotated: Floats, count: int) -> Floats:
    """Return an orthonormal basis of the directions that hold most, rotated, `[count, dim]`.

    Of the second moments, not of the covariance: inner products are to be kept, and the mean is
    part of them.
    """
    moments = (rotated.T @ rotated).astype(np.float64)
    _, vectors = np.linalg.eigh(moments)
    basis = np.zeros((count, len(moments)), np.float32)
    # Directions go in pairs: where there is an odd number of them, the last one is empty.
    basis[: len(moments)] = vectors[:, ::-1][:, :count].T
    # Rotated among themselves, lest the first directions outweigh the codes of all others.
    return np.ascontiguousarray(Rotation(count)(np.ascontiguousarray(basis.T)).T)
