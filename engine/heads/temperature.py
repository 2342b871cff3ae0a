"""Making probabilities mean what they say."""

from __future__ import annotations

import numpy as np

from engine.heads.numerics import log_softmax
from index.records import Floats, Ids

_CANDIDATES = np.geomspace(0.2, 5.0, 49)


def fit_temperature(logits: Floats, labels: Ids) -> float:
    """Return the temperature under which held-out labels are most likely.

    One number divides all logits, so no decision changes (Guo et al. 2017, "On calibration of
    modern neural networks"). With few pictures, all of them right, the likelihood would ask for
    ever more confidence; one imaginary wrong answer per twenty keeps that within reason.

    Parameters
    ----------
    logits
        float32 `[n, k]`, of pictures that were not trained on.
    labels
        int64 `[n]`, positions of the right categories.
    """
    if not len(labels) or logits.shape[1] < 2:
        return 1.0
    smoothing = 1.0 / (len(labels) + 20.0)

    def loss(temperature: float) -> float:
        log_p = log_softmax((logits / temperature).astype(np.float32))
        right = np.take_along_axis(log_p, labels[:, None], axis=1).mean()
        return -float((1 - smoothing) * right + smoothing * log_p.mean())

    return min(map(float, _CANDIDATES), key=loss)


def expected_calibration_error(probability: Floats, labels: Ids, bins: int = 10) -> float:
    """Return how far confidence is from accuracy, 0 to 1, on average over pictures.

    Parameters
    ----------
    probability
        float32 `[n, k]`.
    labels
        int64 `[n]`.
    """
    if not len(labels):
        return 0.0
    confidence = probability.max(axis=1)
    right = probability.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    error = 0.0
    for number in range(bins):
        inside = place == number
        if inside.any():
            error += abs(confidence[inside].mean() - right[inside].mean()) * inside.mean()
    return float(error)
