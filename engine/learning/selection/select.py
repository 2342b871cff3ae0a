"""Model selection: which options train the better head, by cross-validation on embeddings.

Every candidate is fitted to train images, stopped and calibrated on validation images, and compared
on images of a fold that served for neither. Where the head is measured by cross-fitting, candidates
are selected anew for each fold of test images, from trials that left this fold out: then what is
reported on it is no score that anything was selected by. A trial that left two folds out serves
the selection for both, on the images of the other one.

Drawn views are no more complex a model, so they need not be clearly better: the candidate that was
selected is compared once more, with all views there are, and these stay where its mean log-loss is
less (`SelectionOptions.judge_views`).

A selection may have a deadline. A candidate whose trials are not over by then, or whose own
training would not be, as its first trial tells, is left out: what is compared was measured on the
same images. Where not even one was compared, the one is taken that is trained soonest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from engine.heads.fitting.rows import balanced_sample
from engine.heads.options import TrainOptions
from engine.learning.data.examples import Examples
from engine.learning.data.split import Split, draw_folds, split_without
from engine.learning.results import ModelSelection
from engine.learning.selection.candidates import (
    SelectionOptions,
    candidate_options,
    describe,
    soonest_first,
)
from engine.learning.selection.told import Scored, Scores, first_of_best, told_of
from engine.learning.trial import test_answers
from index.records import Ids

# Log-loss of an answer that is not finite.
WORST = 1e6


@dataclass(frozen=True, slots=True)
class Selected:
    """The options selected: for the trial of each split, for the final head, and why."""

    of_splits: Sequence[TrainOptions]
    final: TrainOptions
    told: ModelSelection


def select(
    examples: Examples,
    splits: Sequence[Split],
    options: TrainOptions,
    how: SelectionOptions | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    deadline: float = math.inf,
) -> Selected:
    """Select options for the trial of each split, without its test images, and for the final head.

    Candidates are compared by log-loss after temperature scaling, which tells more than accuracy
    where most answers are right, image by image. Of those within one standard error of the best
    the first is selected (Breiman et al., "Classification and Regression Trees", 1984, section
    3.4.3).

    Parameters
    ----------
    splits
        The splits that the head will be measured on; see `measuring_splits`.
    options
        What every candidate is a change of; what was wished for (`TrainOptions.wished`) stays.
    progress
        Hears how many trials are done, and of how many.
    deadline
        By `time.monotonic`; candidates with which the head would not be trained by then are left
        out.
    """
    started = time.monotonic()
    how = how or SelectionOptions()
    judged = how.judge_views and len(examples.views) > how.views
    if judged:
        options = replace(options, views=how.views)
    candidates = candidate_options(options, how.candidates)
    if len(examples.categories) < 2:
        return _simplest(candidates, len(splits), "one category is told from no other")
    trials = _Trials(examples, splits, options, how, progress, deadline)
    if not trials.possible:
        return _simplest(candidates, len(splits), "the images are too few to compare")
    order = [candidates]
    if deadline < math.inf:
        order = soonest_first(candidates, len(examples.image))
    compared: list[Scored] = []
    more: list[Scored] = []
    late: list[TrainOptions] = []
    chosen: list[TrainOptions] = []
    for number, group in enumerate(order):
        late += trials.add(compared, group, how.views, certain=not number)
        if not compared:
            return _simplest(order[0], len(splits), "there was no time to compare others")
        compared.sort(key=lambda each: candidates.index(each.options))
        chosen = [_preferred(compared, number) for number in (*range(len(splits)), None)]
        if judged:
            known = {each.options for each in more}
            again = [replace(each, views=None) for each in dict.fromkeys(chosen)]
            again = [each for each in again if each not in known and each not in late]
            late += trials.add(more, again, None)
    chosen = [_judged(each, more, compared, number) for number, each in enumerate(chosen)]
    compared += more
    *of_splits, final = chosen
    told = told_of(
        compared,
        final,
        trials.folds,
        late,
        time.monotonic() - started,
    )
    return Selected(of_splits, final, told)


class _Trials:
    """The trials of a selection: on which images, and until when.

    Attributes
    ----------
    folds
        So many folds are compared on.
    """

    def __init__(
        self,
        examples: Examples,
        splits: Sequence[Split],
        options: TrainOptions,
        how: SelectionOptions,
        progress: Callable[[int, int], None],
        deadline: float,
    ) -> None:
        self._pool, self._fold_of = _folds(examples, splits, options, how)
        self._examples, self._selections = examples, len(splits)
        self._progress, self._deadline = progress, deadline
        self.folds = int(self._fold_of.max(initial=-1)) + 1
        # With one test part there is one selection; else one for each fold, which it leaves out.
        self._left_out: list[tuple[int, ...]] = [(fold,) for fold in range(self.folds)]
        if len(splits) > 1:
            several = self.folds > 2
            self._left_out = list(combinations(range(self.folds), 2)) if several else []

    @property
    def possible(self) -> bool:
        """Whether there are images to compare on."""
        return bool(self._left_out)

    def add(
        self,
        compared: list[Scored],
        candidates: Sequence[TrainOptions],
        views: int | None,
        *,
        certain: bool = False,
    ) -> list[TrainOptions]:
        """Add the scores of candidates to others; return those that there was no time for.

        Parameters
        ----------
        views
            Of each image that are learned from, at most; None for all.
        certain
            The head may be trained with the first, however long it takes.
        """
        some = self._examples.take(self._pool, views)
        each, total = len(self._left_out), len(candidates) * len(self._left_out)
        late: list[TrainOptions] = []
        for number, candidate in enumerate(candidates):
            scores = np.full((2, self._selections, len(some)), np.nan, np.float32)
            for done, folds_out in enumerate(self._left_out, 1):
                started = time.monotonic()
                if started > self._deadline:
                    self._progress(total, total)
                    return [*late, *candidates[number:]]
                over = number * each + done
                # A trial may take long: who wants it to end is asked within.
                _score(some, self._fold_of, folds_out, candidate, scores, self._still(over, total))
                self._progress(over, total)
                now = time.monotonic()
                final = self._final(candidate, len(some.image)) * (now - started)
                if (number or not certain) and done == 1 and now + final > self._deadline:
                    late.append(candidate)
                    break
            else:
                compared.append(Scored(candidate, scores))
        if late:
            self._progress(total, total)
        return late

    def _still(self, number: int, total: int) -> Callable[[int, int], None]:
        """Return what tells after each epoch of a trial that it is not over."""
        return lambda done, epochs: self._progress(number - 1, total)

    def _final(self, candidate: TrainOptions, rows: int) -> float:
        """Return how many trials' time it takes to measure and train the head with a candidate.

        Parameters
        ----------
        rows
            That trials are drawn from.
        """
        everything = len(self._examples) * min(
            candidate.views or len(self._examples.views), len(self._examples.views)
        )
        fits = self._selections + 1
        return fits * candidate.rows_seen(everything) / max(1, candidate.rows_seen(rows))


def _folds(
    examples: Examples, splits: Sequence[Split], options: TrainOptions, how: SelectionOptions
) -> tuple[Ids, Ids]:
    """Return the images to compare on, and the fold of each; -1 is always trained on."""
    if len(splits) > 1:
        fold_of = np.full(len(examples), -1, np.int64)
        for fold, split in enumerate(splits):
            fold_of[split.test] = fold
        return np.arange(len(examples)), fold_of
    pool = np.sort(np.concatenate([splits[0].train, splits[0].validation]))
    labels = examples.labels[pool]
    pool = pool[balanced_sample(labels, how.images, how.images_each, options.seed)]
    some = examples.take(pool, 1)
    return pool, draw_folds(some.labels, some.groups, how.folds, options.seed)


def _score(
    examples: Examples,
    fold_of: Ids,
    folds_out: tuple[int, ...],
    candidate: TrainOptions,
    scores: Scores,
    progress: Callable[[int, int], None],
) -> None:
    """Note the log-loss of each image left out, and whether its answer is right.

    Parameters
    ----------
    scores
        float32 `[2, selections, m]`. Of two folds each is scored for the selection that leaves the
        other one out; a single fold for the only selection.
    """
    split = split_without(
        fold_of,
        folds_out,
        examples.labels,
        examples.groups,
        candidate.validation,
        candidate.seed,
    )
    # A category with no image left to learn from says nothing about a candidate.
    test = split.test[np.isin(examples.labels[split.test], examples.labels[split.train])]
    labels = examples.labels[test]
    log_p = test_answers(examples, split, test, candidate, progress)
    losses = -np.take_along_axis(log_p, labels[:, None], axis=1)[:, 0]
    # One that diverged is worse than any other, and comparable.
    losses = np.nan_to_num(losses, nan=WORST, posinf=WORST)
    for fold in folds_out:
        selection = sum(folds_out) - fold if len(folds_out) > 1 else 0
        asked = fold_of[test] == fold
        scores[0, selection, test[asked]] = losses[asked]
        scores[1, selection, test[asked]] = (log_p.argmax(axis=1) == labels)[asked]


def _preferred(compared: Sequence[Scored], selection: int | None) -> TrainOptions:
    """Return the first candidate within one standard error of the best."""
    losses = np.stack([each.of(0, selection) for each in compared])
    return compared[first_of_best(losses)[0]].options


def _judged(
    chosen: TrainOptions, more: Sequence[Scored], compared: Sequence[Scored], number: int
) -> TrainOptions:
    """Return options with all views, where these were compared and are better; else unchanged."""
    (other,) = [each for each in compared if each.options == chosen]
    # The last one is for the final head.
    selection = number if number < len(other.scores[0]) else None
    for each in more:
        if each.options == replace(chosen, views=None):
            better = each.of(0, selection) - other.of(0, selection)
            known = better[np.isfinite(better)]
            return each.options if len(known) and known.mean() < 0 else chosen
    return chosen


def _simplest(candidates: Sequence[TrainOptions], selections: int, reason: str) -> Selected:
    """Select the simplest candidate, because there is nothing to compare."""
    first = candidates[0]
    told = ModelSelection(f"{describe(first)}: the simplest, because {reason}", 0, 0, [], 0.0)
    return Selected([first] * selections, first, told)
