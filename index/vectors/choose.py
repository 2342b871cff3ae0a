"""Which kind of index a catalog gets: one function, by size, dim and memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

from index.state import Preference

# Comparing with this many components takes some 3 ms on one core, and reading them from a file
# that the system still holds some 50 ms: 25,000 images of dim 1280. Beyond it a search would be
# felt.
EXACT_COMPONENTS = 32_000_000
# Vectors are scanned on this many of their principal directions before the best are reranked: on
# embeddings of photographs 512 of 1280 hold 91 % of the squared length. Fewer are sooner scanned,
# but leave more candidates to rerank.
SCAN_DIM = 512
# There the code of a vector has so many bits for so many directions.
CODE_BITS, DIRECTIONS_PER_CODE = 4, 2
# The square root of the count, times this, is how many lists there are: fewer means longer lists
# to scan, more means more centroids to compare with first.
LISTS_PER_ROOT = 2.0
LEAST_LISTS, MOST_LISTS = 16, 65_536
# The codes that candidates are reranked by, finest first: FAISS's name, and bytes per 8 components.
REFINEMENTS = (("SQ8", 8), ("SQ6", 6), ("SQ4", 4))
# Where these do not fit either, this many principal directions of a vector are kept, and it is
# scanned on fewer: some 300 bytes.
PROJECTED_DIM, PROJECTED_SCAN_DIM = 256, 128


@dataclass(frozen=True, slots=True)
class Plan:
    """A kind of index.

    Attributes
    ----------
    lists
        How many IVF lists; 0 for exact search.
    scan_dim
        On how many directions vectors are scanned.
    refine
        The codes that candidates are reranked by: `SQ8`, `SQ6` or `SQ4`.
    projected_dim
        How many principal directions of a vector are coded at all; 0 for all.
    """

    lists: int = 0
    scan_dim: int = 0
    refine: str = ""
    projected_dim: int = 0

    @property
    def is_exact(self) -> bool:
        """Whether every query is compared with every vector."""
        return not self.lists

    def bytes_per_vector(self, dim: int, dtype: str) -> float:
        """Return how many bytes one vector takes in memory and on the disk, its id included."""
        if self.is_exact:
            return dim * (2 if dtype == "float16" else 4) + 8
        short = self.scan_dim / DIRECTIONS_PER_CODE * CODE_BITS / 8
        # Both codes; position in the list, id, and length.
        dim = self.projected_dim or dim
        return short + dim * dict(REFINEMENTS)[self.refine] / 8 + 8 + 8 + 4


EXACT = Plan()


@dataclass(frozen=True, slots=True)
class FaissLimits:
    """When an index changes its kind.

    Attributes
    ----------
    exact_components
        Up to so many components, images times dim, search is exact.
    delta, delta_share
        More new images than these, and than this share of the segment, are merged into the segment.
    growth, hidden_share
        The segment is built anew, centroids and all, when there are so many times more images
        than its centroids were chosen for, or when more than this share of it is hidden.
    graph_share
        The neighbours of all images are found anew when so many are new, changed or gone.
    """

    exact_components: int = EXACT_COMPONENTS
    delta: int = 4096
    delta_share: float = 0.01
    growth: float = 2.5
    hidden_share: float = 0.3
    graph_share: float = 0.1


def choose_plan(
    count: int,
    dim: int,
    dtype: str,
    preference: Preference,
    exact_components: int = EXACT_COMPONENTS,
) -> Plan:
    """Return the kind of index for `count` vectors of length `dim`.

    Exact while that is fast and fits; then IVF lists of product quantization, whose best
    candidates are reranked by codes of 8 bits a component, or of fewer where memory is short. Where
    it is shorter still, vectors are projected onto their principal directions first.

    Parameters
    ----------
    exact_components
        Up to this many components, `count * dim`, exact search is fast enough.
    """
    if preference.kind == "exact":
        return EXACT
    budget = float("inf") if preference.memory is None else preference.memory
    fits = count * EXACT.bytes_per_vector(dim, dtype) <= budget
    if preference.kind == "auto" and count * dim <= exact_components and fits:
        return EXACT
    # Directions go in pairs; an odd one has an empty one beside it.
    scan_dim = min(dim + dim % DIRECTIONS_PER_CODE, SCAN_DIM)
    lists = _lists(count)
    plans = [Plan(lists, scan_dim, refine) for refine, _ in REFINEMENTS]
    projected = Plan(lists, PROJECTED_SCAN_DIM, REFINEMENTS[0][0], PROJECTED_DIM)
    # Of few components coarse codes of all take less.
    if projected.bytes_per_vector(dim, dtype) < plans[-1].bytes_per_vector(dim, dtype):
        plans.append(projected)
    for plan in plans:
        if count * plan.bytes_per_vector(dim, dtype) <= budget:
            return plan
    return plans[-1]


def _lists(count: int) -> int:
    power = 1 << max(0, round(log2(LISTS_PER_ROOT * max(count, 1) ** 0.5)))
    return max(LEAST_LISTS, min(power, MOST_LISTS))
