"""Choosing among labelled images at random, for fine-tuning and comparing."""

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
