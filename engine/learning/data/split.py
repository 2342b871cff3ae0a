"""Train, validation and test: which images serve for what.

Train images fit layers. Validation images say when to stop, which candidate to select, the
temperature and the threshold of `unknown`. Test images are what reported figures are measured on.
They also calibrate sets of categories (`engine.heads.conformal`), which no figure depends on, and
serve for nothing else. Copies of an image, exact or nearly so, and all its views, are on the
same side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index.records import Ids


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of images, each int64, ascending; no image is in two of them."""

    train: Ids
    validation: Ids
    test: Ids


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """How images are split to be measured on.

    Attributes
    ----------
    folds
        Where images are few, each is in the test part of one of so many splits.
    few
        So many images are few.
    test
        Share of many images that is in the test part of the only split.
    most
        At most so many images are in a test part, and in a validation part: a tenth of a percent
        is told apart with 10,000.
    """

    folds: int = 5
    few: int = 2000
    test: float = 0.2
    most: int = 10_000


def measuring_splits(
    labels: Ids, groups: Ids, validation: float, options: SplitOptions, seed: int
) -> list[Split]:
    """Return the splits to measure a head on: several where images are few, else one.

    Of several each image that has a counterpart is in the test part of exactly one.

    Parameters
    ----------
    validation
        Share of the images of each label outside the test part.
    """
    if len(labels) > options.few:
        share = options.most / len(labels)
        validation, test = min(validation, share), min(options.test, share)
        return [draw_split(labels, groups, validation=validation, test=test, seed=seed)]
    fold_of = draw_folds(labels, groups, options.folds, seed)
    folds = range(max(1, int(fold_of.max(initial=0)) + 1))
    return [split_without(fold_of, (k,), labels, groups, validation, seed) for k in folds]


def draw_split(labels: Ids, groups: Ids, *, validation: float, test: float, seed: int) -> Split:
    """Return a split at random, stratified by label.

    Parameters
    ----------
    labels
        int64 `[m]`, of each image.
    groups
        int64 `[m]`, the position of the first of each image's copies (`Examples.groups`). A group
        goes where its first image's label is drawn, whatever labels the others have.
    validation
        Share of each label's groups without the test part; at least one where two are left.
        0 for no validation part.
    test
        Share of each label's groups; at least one where there are two. 0 for no test part.
    seed
        The same labels, groups and seed give the same split.
    """
    rng = np.random.default_rng(seed)
    everything = np.unique(groups)
    tested = _some_of_each(labels, everything, test, rng)
    return _split(groups, tested, _without(everything, tested), labels, validation, rng)


def draw_folds(labels: Ids, groups: Ids, count: int, seed: int) -> Ids:
    """Return the fold of each image, int64 `[m]`; each label is spread over as many as it can be.

    There are at most `count` folds, numbered from 0, and no more than the most frequent label
    has groups. A label's only group is in fold -1, which is always trained on.
    """
    rng = np.random.default_rng(seed)
    order, _, size = _by_label(labels, np.unique(groups), rng)
    several = size > 1
    dealt = np.full(len(order), -1, np.int64)
    # Dealt like cards, label by label: so each label's groups are in different folds.
    count = int(min(count, size.max(initial=1)))
    dealt[several] = np.arange(int(several.sum())) % count
    fold_of = np.empty(len(labels), np.int64)
    fold_of[order] = dealt
    return fold_of[groups]


def split_without(
    fold_of: Ids, folds: tuple[int, ...], labels: Ids, groups: Ids, validation: float, seed: int
) -> Split:
    """Return the split whose test part is some of the folds that `draw_folds` dealt."""
    rng = np.random.default_rng((seed, *folds))
    everything = np.unique(groups)
    tested = everything[np.isin(fold_of[everything], folds)]
    return _split(groups, tested, _without(everything, tested), labels, validation, rng)


def _split(
    groups: Ids, tested: Ids, rest: Ids, labels: Ids, validation: float, rng: np.random.Generator
) -> Split:
    validated = _some_of_each(labels, rest, validation, rng)
    trained = _without(rest, validated)
    parts = (np.flatnonzero(np.isin(groups, part)) for part in (trained, validated, tested))
    return Split(*parts)


def _without(some: Ids, others: Ids) -> Ids:
    return some[~np.isin(some, others)]


def _some_of_each(labels: Ids, groups: Ids, share: float, rng: np.random.Generator) -> Ids:
    """Return a share of each label's groups, never all of them."""
    if share <= 0:
        return groups[:0]
    order, rank, size = _by_label(labels, groups, rng)
    wanted = np.minimum(np.maximum(1, np.round(share * size)), size - 1)
    return order[rank < wanted]


def _by_label(labels: Ids, groups: Ids, rng: np.random.Generator) -> tuple[Ids, Ids, Ids]:
    """Return groups at random, label by label; each one's rank in its label, and the size."""
    order = rng.permutation(groups)
    order = order[np.argsort(labels[order], kind="stable")]
    _, first, size = np.unique(labels[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(first, size)
    return order, rank, np.repeat(size, size)
