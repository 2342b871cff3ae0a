"""`Engine.teach`: from a few judged pictures to what to ask next, what was found, and how many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits

from engine.learning.data.copies import copy_groups
from engine.learning.teaching.ask import AskOptions, most_uncertain, typical, unlike_ones
from engine.learning.teaching.estimate import (
    HALF,
    Doubles,
    EstimateOptions,
    dealt,
    estimate,
    probabilities,
    sigmoid,
)
from engine.learning.teaching.judgement_collection import (
    category_text,
    hashes_of,
    require_one_answer,
)
from engine.learning.teaching.lesson import (
    CATEGORY,
    LABEL,
    TYPICAL,
    UNCERTAIN,
    AskedImage,
    CategoryEstimate,
    FoundImage,
    Lesson,
)
from engine.learning.teaching.scorer import Answered, ScorerOptions, drawn_answers
from engine.session.pool import PoolReader
from index.catalog.catalog import Catalog
from index.catalog.tables.filters import Filter
from index.names import same_name
from index.records import Floats, Ids
from index.vectors.index import VectorIndex


@dataclass(frozen=True, slots=True)
class TeachOptions:
    """How a lesson is made.

    Attributes
    ----------
    scorer, ask, estimate
        How each part works.
    found
        At most so many pictures that were found.
    nearest
        Of a catalog of which a sample is in memory, so many images nearest to each of those that
        show the category are looked at, too.
    asked_by
        Of so many of those at most.
    threads
        That compute: products so small are not worth sharing out.
    """

    scorer: ScorerOptions = field(default_factory=ScorerOptions)
    ask: AskOptions = field(default_factory=AskOptions)
    estimate: EstimateOptions = field(default_factory=EstimateOptions)
    found: int = 48
    nearest: int = 100
    asked_by: int = 32
    threads: int = 1


@dataclass(frozen=True, slots=True)
class _Judged:
    """Images that were judged: int64 ids, content hashes, unit vectors, and what was said."""

    ids: Ids
    hashes: tuple[str, ...]
    unit: Floats
    yes: np.ndarray[tuple[int], np.dtype[np.bool_]]

    def of(self, rows: Ids) -> _Judged:
        """Return some of them."""
        hashes = tuple(self.hashes[each] for each in rows.tolist())
        return _Judged(self.ids[rows], hashes, self.unit[rows], self.yes[rows])

    def times(self, some: _Judged) -> Doubles:
        """Return how many of these each of some stands for, those of its answer alike, `[m]`."""
        yes = self.yes.sum() / max(1, some.yes.sum())
        no = (~self.yes).sum() / max(1, (~some.yes).sum())
        times: Doubles = np.where(some.yes, yes, no)
        return times


class Teacher:
    """Makes the lessons of one catalog in one state.

    Parameters
    ----------
    catalog, index
        In that state, for as long as a lesson takes.
    pool
        Reads the catalog's embeddings, or has them.
    options
        How lessons are made.
    """

    def __init__(
        self,
        catalog: Catalog,
        index: VectorIndex,
        pool: PoolReader,
        options: TeachOptions | None = None,
    ) -> None:
        self._catalog = catalog
        self._index = index
        self._options = options or TeachOptions()
        self._pool = pool.read(catalog)

    def lesson(self, category: str, yes: Sequence[int], no: Sequence[int], k: int) -> Lesson:
        """Return what is known of a category, and so many pictures to ask about next.

        Raises
        ------
        UsageError
            There can be no such category, or an image is both in `yes` and in `no`.
        UnknownImageError
            There is no image of one of the ids.
        """
        name = category_text(category)
        require_one_answer(yes, no)
        with threadpool_limits(self._options.threads, user_api="blas"):
            judged = self._judged(list(dict.fromkeys(yes)), list(dict.fromkeys(no)))
            if not judged.yes.any():
                asked = self._first(name, judged, k)
                return self._lesson(name, judged, asked, [], None, len(self._pool.ids))
            return self._next(name, judged, k)

    def _judged(self, yes: Sequence[int], no: Sequence[int]) -> _Judged:
        ids = np.array([*yes, *no], np.int64)
        hashes = hashes_of(self._catalog, ids.tolist())
        found, vectors = self._catalog.embeddings.of(ids.tolist())
        unit = vectors.unit[np.searchsorted(found, ids)]
        said = np.arange(len(ids)) < len(yes)
        return _Judged(ids, tuple(hashes[each] for each in ids.tolist()), unit, said)

    def _first(self, name: str, judged: _Judged, k: int) -> list[AskedImage]:
        """Return what to ask where no picture is known that shows the category."""
        for field_name, why in (("label", LABEL), ("category", CATEGORY)):
            spelled = [
                each
                for each in self._catalog.values.of(field_name)
                if same_name(each) == same_name(name)
            ]
            if not spelled:
                continue
            ids = self._catalog.images.matching(Filter.parse([f"{field_name}={spelled[0]}"]))
            rows = self._free(judged, self._pool.rows_of(ids))
            asked = self._likeliest(rows, k)
            if len(asked):
                return self._asked(self._pool.ids[asked], None, why)
        free = self._free(judged, np.arange(len(self._pool.ids)))
        rows = typical(self._pool.unit, free, judged.unit, k, self._options.ask)
        return self._asked(self._pool.ids[rows], None, TYPICAL)

    def _likeliest(self, rows: Ids, k: int) -> Ids:
        """Return those most like all of them, spread apart."""
        if not len(rows):
            return rows
        unit = self._pool.unit[rows]
        order = np.argsort(-(unit @ unit.mean(axis=0)), kind="stable")
        how = self._options.ask
        return unlike_ones(self._pool.unit, rows[order[: how.candidates * k]], k, how)

    def _next(self, name: str, judged: _Judged, k: int) -> Lesson:
        how, pool = self._options, self._pool
        free = self._free(judged, np.arange(len(pool.ids)))
        drawn = np.random.default_rng(len(free)).permutation(free)[: how.scorer.background]
        some = judged.of(drawn_answers(judged.yes, how.scorer.answers))
        answered = Answered(np.concatenate([some.unit, pool.unit[drawn]]), some.yes, how.scorer)
        weight, bias = answered.direction()
        ids, unit = self._looked_at(judged)
        scores = unit @ weight + np.float32(bias)
        # Copies of what was judged are not asked about, nor are they found.
        candidates = self._free(judged, np.arange(len(ids)), ids)
        told, guessed = None, sigmoid(scores).astype(np.float32)
        if min(some.yes.sum(), (~some.yes).sum()) >= how.estimate.fewest:
            groups = copy_groups(some.hashes, some.unit, np.arange(len(some.ids)))
            left_out = answered.left_out(dealt(some.yes, groups, how.estimate.folds))
            times = judged.times(some)
            images = max(0, pool.images - len(judged.ids))
            sampled = scores[: len(pool.ids)][free]
            told = estimate(left_out, some.yes, sampled, images, how.estimate, times)
            guessed = probabilities(left_out, some.yes, scores, how.estimate, times)
        rows = most_uncertain(scores, unit, candidates, k, how.ask)
        asked = self._asked(ids[rows], guessed[rows], UNCERTAIN)
        likely = candidates[guessed[candidates] >= HALF]
        likely = likely[np.argsort(-scores[likely], kind="stable")][: how.found]
        found = [
            FoundImage(each.id, each.path, float(each.probability or 0))
            for each in self._asked(ids[likely], guessed[likely], UNCERTAIN)
        ]
        return self._lesson(name, judged, asked, found, told, len(ids))

    def _looked_at(self, judged: _Judged) -> tuple[Ids, Floats]:
        """Return the images that take part: the pool's, then others that look like a yes."""
        how, pool = self._options, self._pool
        if pool.whole:
            return pool.ids, pool.unit
        shown = np.ascontiguousarray(judged.unit[judged.yes][-how.asked_by :])
        alike = np.unique(self._index.search(shown, how.nearest).ids)
        alike = alike[alike >= 0]
        others = alike[pool.rows_of(alike) < 0]
        found, vectors = self._catalog.embeddings.of(others.tolist())
        return np.concatenate([pool.ids, found]), np.concatenate([pool.unit, vectors.unit])

    def _free(self, judged: _Judged, rows: Ids, ids: Ids | None = None) -> Ids:
        """Return those rows whose image was not judged."""
        ids = self._pool.ids if ids is None else ids
        rows = rows[rows >= 0]
        return rows[~np.isin(ids[rows], judged.ids)]

    def _asked(self, ids: Ids, guessed: Floats | None, why: str) -> list[AskedImage]:
        rows = self._catalog.images.rows(ids.tolist())
        likely = [None] * len(ids) if guessed is None else guessed.tolist()
        return [
            AskedImage(image_id, rows[image_id].path, probability, why)
            for image_id, probability in zip(ids.tolist(), likely, strict=True)
        ]

    def _lesson(
        self,
        name: str,
        judged: _Judged,
        asked: Sequence[AskedImage],
        found: Sequence[FoundImage],
        told: CategoryEstimate | None,
        looked_at: int,
    ) -> Lesson:
        yes = int(judged.yes.sum())
        images = self._pool.images
        return Lesson(name, yes, len(judged.ids) - yes, asked, found, told, images, looked_at)
