"""Which pictures to ask about: those whose answer tells most, each unlike the others.

With answers: the most uncertain, spread apart. Without one that says yes: a typical picture of each
of the largest groups that none was judged of (TypiClust, Hacohen et al. 2022, arXiv 2202.02794).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index.records import Floats, Ids


@dataclass(frozen=True, slots=True)
class AskOptions:
    """How pictures are chosen.

    Attributes
    ----------
    candidates
        Of so many times as many of the most uncertain those are asked that are least alike.
    same
        From this cosine on two pictures are asked about together only where nothing else is left.
    clustered
        At most so many pictures are put into groups, and drawn at random where there are more.
    fewest_clusters, clusters
        So many groups at least, and at most: what is to be taught may be a small one, and of large
        groups the typical picture is of what is most frequent in them.
    rounds
        Of k-means.
    """

    candidates: int = 3
    same: float = 0.97
    clustered: int = 3000
    fewest_clusters: int = 40
    clusters: int = 120
    rounds: int = 8


def most_uncertain(scores: Floats, unit: Floats, free: Ids, count: int, how: AskOptions) -> Ids:
    """Return pictures to ask about, spread apart among those whose score is closest to 0.

    Parameters
    ----------
    scores, unit
        Of all pictures, float32 `[n]` and `[n, dim]`.
    free
        Those that may be asked about, int64.
    """
    order = np.argsort(np.abs(scores[free]), kind="stable")
    return unlike_ones(unit, free[order[: how.candidates * count]], count, how)


def unlike_ones(unit: Floats, candidates: Ids, count: int, how: AskOptions) -> Ids:
    """Return so many candidates, the first one and then always the least like those before it."""
    if not len(candidates):
        return candidates
    vectors = unit[candidates]
    chosen = [0]
    closest = vectors @ vectors[0]
    while len(chosen) < min(count, len(candidates)):
        best = int(np.argmin(closest))
        if closest[best] >= how.same:
            break
        chosen.append(best)
        closest = np.maximum(closest, vectors @ vectors[best])
    others = [at for at in range(len(candidates)) if at not in chosen]
    # Where all that is left is much the same, it is asked about after all.
    return candidates[np.array([*chosen, *others][:count], np.int64)]


def typical(unit: Floats, free: Ids, judged: Floats, count: int, how: AskOptions) -> Ids:
    """Return a typical picture of each of the largest groups that none was judged of.

    Parameters
    ----------
    unit
        Of all pictures, float32 `[n, dim]`.
    free
        Those that may be asked about, int64.
    judged
        Unit vectors of those that were, float32 `[j, dim]`.
    """
    rng = np.random.default_rng(len(free))
    if len(free) > how.clustered:
        free = np.sort(rng.choice(free, how.clustered, replace=False))
    if not len(free):
        return free
    vectors = unit[free]
    groups = min(max(how.fewest_clusters, count + len(judged)), how.clusters, len(free))
    centres = _centres(vectors, groups, rng, how.rounds)
    group_of = (vectors @ centres.T).argmax(axis=1)
    sizes = np.bincount(group_of, minlength=groups)
    known = np.bincount((judged @ centres.T).argmax(axis=1), minlength=groups)
    chosen: list[int] = []
    # Groups of which fewest were judged, the largest of these first.
    for group in np.lexsort((-sizes, known)).tolist():
        members = np.flatnonzero(group_of == group)
        if len(members) and len(chosen) < count:
            chosen.append(int(members[_most_typical(vectors[members])]))
    return free[np.array(chosen, np.int64)]


def _most_typical(vectors: Floats, neighbours: int = 20) -> int:
    """Return which of a group is most like its nearest neighbours there."""
    among = vectors @ vectors.T
    several = min(neighbours, len(vectors))
    nearest = np.partition(among, len(vectors) - several, axis=1)[:, -several:]
    return int(nearest.mean(axis=1).argmax())


def _centres(vectors: Floats, count: int, rng: np.random.Generator, rounds: int) -> Floats:
    """Return unit centres of groups, by spherical k-means from pictures drawn far apart."""
    centres = vectors[[int(rng.integers(len(vectors)))]]
    far = 1 - vectors @ centres[0]
    for _ in range(count - 1):
        weight = np.square(np.maximum(far, 1e-6)).astype(np.float64)
        chosen = int(rng.choice(len(vectors), p=weight / weight.sum()))
        centres = np.concatenate([centres, vectors[[chosen]]])
        far = np.minimum(far, 1 - vectors @ vectors[chosen])
    for _ in range(rounds):
        group_of = (vectors @ centres.T).argmax(axis=1)
        # By a product of matrices: to add row by row takes twenty times as long.
        members = (group_of == np.arange(count)[:, None]).astype(np.float32)
        sums = members @ vectors
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(length > 0, sums / np.maximum(length, 1e-12), centres)
    return centres
