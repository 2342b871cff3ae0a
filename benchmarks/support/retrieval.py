"""How well embeddings find pictures of the same label; one function for every tool."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def precision_at(
    embeddings: npt.NDArray[np.float32], labels: Sequence[str], depths: Sequence[int]
) -> list[float]:
    """Search with each picture, itself left out, by cosine similarity.

    Parameters
    ----------
    embeddings
        float32 `[n, dim]`, of any length.
    labels
        What each of them shows.
    depths
        How many of the first results to look at.

    Returns
    -------
    list of float
        For each depth the share of results that have the query's label, on average.
    """
    order = nearest(embeddings, max(depths))
    names = np.array(labels)
    right = names[order] == names[:, None]
    return [float(right[:, :depth].mean()) for depth in depths]


def nearest(embeddings: npt.NDArray[np.float32], depth: int) -> npt.NDArray[np.intp]:
    """Return the rows nearest to each row by cosine, itself left out, int `[n, depth]`."""
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    scores = unit @ unit.T
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, :depth]
