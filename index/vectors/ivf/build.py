"""Building a segment: trained on a sample, filled in chunks, measured against exact search.

The sample alone is held as it is; all other vectors pass through in chunks, so memory stays near
what the finished segment takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from index.records import Floats, Ids
from index.vectors.choose import CODE_BITS, DIRECTIONS_PER_CODE, Plan
from index.vectors.faiss_api import faiss, product_with
from index.vectors.ivf.autotune import DEPTHS, NEIGHBOURS, Autotuned, GroundTruth, Trial, autotune
from index.vectors.ivf.probe import MAX_MARGIN
from index.vectors.ivf.projection import Projection, principal_directions
from index.vectors.ivf.rotation import Rotation
from index.vectors.ivf.segment import SearchLimits, Segment
from index.vectors.mask import SegmentMask

SAMPLE_PER_LIST = 25
LEAST_SAMPLE = 20_000
ITERATIONS = 10
# Of what a mask allows more must be known than is searched for, so that ties are seen; among the
# nearest so many nearly every query has that many.
KNOWN = NEIGHBOURS + 2
KNOWN_DEPTH = 2 * DEPTHS[-1]
# Image ids, and unit vectors float32 `[n, dim]`. The sample's ids are needed to leave a query out
# of its own results.
Chunk = tuple[Ids, Floats]
Progress = Callable[[int], None]
_NOT_MEASURED = Autotuned(0.0, 0, ((1, MAX_MARGIN),))


@dataclass(frozen=True, slots=True)
class BuildLimits:
    """What a build spends on measuring.

    Attributes
    ----------
    queries
        How many images of the sample are set aside to measure with.
    """

    queries: int = 1000


def sample_size(plan: Plan) -> int:
    """Return how many vectors `build_segment` wants to be trained on."""
    return max(LEAST_SAMPLE, plan.lists * SAMPLE_PER_LIST)


def build_segment(
    plan: Plan,
    sample: Chunk,
    chunks: Iterable[Chunk],
    progress: Progress | None = None,
    *,
    limits: BuildLimits | None = None,
    search: SearchLimits | None = None,
) -> Segment:
    """Build a segment as `plan` says.

    Parameters
    ----------
    sample
        Ids and unit vectors of images chosen at random, float32 `[m, dim]`.
    chunks
        Ids and unit vectors of all images, the sample's among them.
    progress
        Is told how many images have been added.
    limits
        What measuring may take.
    search
        The segment's limits.
    """
    # What was trained on is found more easily than what was not: it may not measure.
    most = (limits or BuildLimits()).queries
    count = max(0, min(most, len(sample[0]) // 4, len(sample[0]) - plan.lists))
    queries = (sample[0][:count], sample[1][:count])
    transform = _transform(plan, sample[1][count:])
    inner = _trained(plan, transform(sample[1][count:]))
    neighbours = _ExactNeighbours(*queries)
    ids: list[Ids] = []
    inverse: list[Floats] = []
    done = 0
    for chunk_ids, unit in chunks:
        turned = transform(unit)
        inner.add(turned)
        inverse.append(inverse_lengths(inner, turned, whole=not plan.projected_dim))
        neighbours.see(chunk_ids, unit, done)
        ids.append(chunk_ids)
        done += len(chunk_ids)
        if progress is not None:
            progress(done)
    all_ids, all_inverse = np.concatenate(ids), np.concatenate(inverse)
    if isinstance(transform, Projection):
        inner = faiss.IndexPreTransform(transform.transform, inner)
    built = Segment(inner, all_ids, all_inverse, _NOT_MEASURED, trained_on=done, limits=search)
    built.autotuned = measure(built, queries, neighbours.found())
    return built


def extend_segment(old: Segment, chunks: Iterable[Chunk]) -> Segment:
    """Return a segment of the same centroids and codes with images added.

    Parameters
    ----------
    old
        Must not be mapped from a file: it is added to, and of no use afterwards.
    """
    ids, inverse = [np.asarray(old.ids)], [np.asarray(old.inverse_lengths)]
    for chunk_ids, unit in chunks:
        turned = old.transform(unit)
        old.refined.add(turned)
        ids.append(chunk_ids)
        inverse.append(inverse_lengths(old.refined, turned, whole=not old.projected_dim))
    old.inner.ntotal = old.refined.ntotal
    return Segment(
        old.inner,
        np.concatenate(ids),
        np.concatenate(inverse),
        old.autotuned,
        old.trained_on,
        old.hidden,
        limits=old.limits,
    )


def measure(built: Segment, queries: Chunk, truth: GroundTruth) -> Autotuned:
    """Return the cheapest margins and candidates whose recall reaches the target, masks or not."""
    ids, unit = queries
    own = {int(image_id): row for row, image_id in enumerate(built.ids)} if len(ids) else {}
    positions = np.array([own[int(image_id)] for image_id in ids], np.int64)
    everything = SegmentMask.of(np.ones(built.total, np.bool_))

    def search(margin: float, candidates: int) -> Ids:
        _, found = built.search_positions(unit, NEIGHBOURS + 1, everything, margin, candidates)
        # The query itself stands among its results; it must not count as found.
        others = np.where(found == positions[:, None], -1, found)
        order = np.argsort(others < 0, axis=1, kind="stable")
        return np.take_along_axis(others, order, axis=1)[:, :NEIGHBOURS]

    needed = built.margins_needed(unit, truth.positions)
    trials = [Trial(NEIGHBOURS, search, truth, needed[:, :NEIGHBOURS])]
    rng = np.random.default_rng(0)
    for depth in DEPTHS[1:]:
        if truth.depth > depth:
            allowed = rng.random(built.total) < NEIGHBOURS / depth
            allowed[positions] = False
            trials += _masked_trial(built, unit, truth, allowed, depth, needed[:, :depth])
    return autotune(trials, lambda margin: built.lists_probed(unit, margin))


def _masked_trial(
    built: Segment,
    unit: Floats,
    truth: GroundTruth,
    allowed: npt.NDArray[np.bool_],
    depth: int,
    needed: Floats,
) -> list[Trial]:
    """Return the trial that only the images allowed are searched for, if enough is known."""
    known = allowed[truth.positions]
    rows = np.flatnonzero(known.sum(axis=1) >= KNOWN)
    if not len(rows):
        return []
    first = np.argsort(~known[rows], axis=1, kind="stable")[:, :KNOWN]
    nearest = GroundTruth(
        np.take_along_axis(truth.positions[rows], first, axis=1),
        np.take_along_axis(truth.scores[rows], first, axis=1),
    )
    mask = built.mask(np.asarray(built.ids[allowed], np.int64))

    def search(margin: float, candidates: int) -> Ids:
        return built.search_positions(unit[rows], NEIGHBOURS, mask, margin, candidates)[1]

    return [Trial(depth, search, nearest, needed)]


def inverse_lengths(inner: Any, turned: Floats, *, whole: bool = True) -> Floats:
    """Return what to multiply codes with to have the lengths of these vectors, float32 `[n]`.

    Parameters
    ----------
    turned
        Rotated or projected, float32 `[n, d]`.
    whole
        Whether they are unit vectors, but for zero embeddings.
    """
    codes = faiss.downcast_index(inner.refine_index)
    decoded = codes.sa_decode(codes.sa_encode(turned))
    lengths = np.maximum(np.linalg.norm(decoded, axis=1), np.finfo(np.float32).tiny)
    own = 1.0 if whole else np.linalg.norm(turned, axis=1)
    # A zero embedding has no direction, and must stay the least similar to everything.
    return np.where(lengths > 0.5, own / lengths, 1).astype(np.float32)


class _ExactNeighbours:
    """The exact nearest of every query, gathered while all vectors pass by."""

    def __init__(self, ids: Ids, unit: Floats) -> None:
        self._ids = ids
        self._products = product_with(unit)
        self._positions = np.zeros((len(ids), 0), np.int64)
        self._scores = np.zeros((len(ids), 0), np.float32)

    def see(self, ids: Ids, unit: Floats, start: int) -> None:
        scores = self._products.apply(np.ascontiguousarray(unit)).T
        scores[self._ids[:, None] == ids] = -2
        positions = np.broadcast_to(np.arange(start, start + len(ids)), scores.shape)
        self._scores = np.concatenate([self._scores, scores], axis=1)
        self._positions = np.concatenate([self._positions, positions], axis=1)
        if self._scores.shape[1] > KNOWN_DEPTH:
            self._take(np.argpartition(-self._scores, KNOWN_DEPTH - 1, axis=1)[:, :KNOWN_DEPTH])

    def found(self) -> GroundTruth:
        """What was nearest, best first."""
        self._take(np.argsort(-self._scores, axis=1))
        return GroundTruth(self._positions, self._scores)

    def _take(self, columns: Ids) -> None:
        self._positions = np.take_along_axis(self._positions, columns, axis=1)
        self._scores = np.take_along_axis(self._scores, columns, axis=1)


def _transform(plan: Plan, sample: Floats) -> Rotation | Projection:
    """Return what vectors go through first: a rotation, or a projection learnt from a sample."""
    if not plan.projected_dim:
        return Rotation(sample.shape[1])
    return Projection.onto(principal_directions(sample, plan.projected_dim))


def _trained(plan: Plan, rotated: Floats) -> Any:
    """Return an empty `faiss.IndexRefine` whose projection, centroids and codes are trained.

    Parameters
    ----------
    rotated
        The sample, rotated, float32 `[m, dim]`.
    """
    dim, metric = rotated.shape[1], faiss.METRIC_INNER_PRODUCT
    projection = faiss.LinearTransform(dim, plan.scan_dim, False)
    matrix = principal_directions(rotated, plan.scan_dim)
    faiss.copy_array_to_vector(matrix.ravel(), projection.A)
    projection.is_trained = True
    projected = np.ascontiguousarray(rotated @ matrix.T)
    lists = _trained_lists(plan, projected)
    codes = faiss.index_factory(dim, plan.refine, metric)
    codes.train(rotated)
    return faiss.IndexRefine(faiss.IndexPreTransform(projection, lists), codes)


def _trained_lists(plan: Plan, projected: Floats) -> Any:
    """Return an empty `faiss.IndexIVFPQFastScan` trained on projected vectors."""
    clustering = faiss.Kmeans(
        plan.scan_dim,
        plan.lists,
        niter=ITERATIONS,
        seed=1,
        max_points_per_centroid=4 * SAMPLE_PER_LIST,
        min_points_per_centroid=1,
    )
    clustering.train(projected)
    metric = faiss.METRIC_INNER_PRODUCT
    quantizer = faiss.IndexFlatIP(plan.scan_dim)
    quantizer.add(clustering.centroids)
    pairs = plan.scan_dim // DIRECTIONS_PER_CODE
    lists = faiss.IndexIVFPQFastScan(quantizer, plan.scan_dim, plan.lists, pairs, CODE_BITS, metric)
    lists.by_residual = True
    lists.pq.cp.min_points_per_centroid = 1
    lists.train(projected)
    return lists
