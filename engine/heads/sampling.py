"""Choosing among labelled pictures: some to hold out, some to stand for all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from index.records import Ids


def stratified_split(labels: Sequence[int], share: float, seed: int) -> tuple[Ids, Ids]:
    """Return positions to train on and positions held out, `share` of each category.

    At least one picture of each category is held out and at least one is not, where there are
    two; a lone picture is trained on.
    """
    rng = np.random.default_rng(seed)
    array = np.asarray(labels, np.int64)
    kept, held = [], []
    for category in np.unique(array):
        places = rng.permutation(np.flatnonzero(array == category))
        count = min(max(1, round(share * len(places))), len(places) - 1)
        held.append(places[:count])
        kept.append(places[count:])
    return np.sort(np.concatenate(kept)), np.sort(np.concatenate(held))


def balanced_sample(labels: Ids, most: int, fewest: int, seed: int) -> Ids:
    """Return positions of at most `most` labels, as many of each category as of any other.

    Parameters
    ----------
    labels
        int64 `[n]`.
    most
        Where there are no more, all are returned.
    fewest
        So many of each category are taken in any case, where there are so many.
    seed
        The same labels and seed give the same sample.

    Returns
    -------
    ndarray
        int64, ascending.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    rng = np.random.default_rng(seed)
    categories = np.unique(labels)
    share = max(fewest, most // len(categories))
    chosen = [rng.permutation(np.flatnonzero(labels == each))[:share] for each in categories]
    return np.sort(np.concatenate(chosen))
