"""What makes a head's probabilities mean what they say: a temperature, a threshold of unknown."""

from __future__ import annotations

import numpy as np

from engine.heads.numerics import log_softmax
from index.records import Floats, Ids

# A head's own answer is unknown when less of the joint distribution falls to it than falls to
# all but this share of validation images, or less than half where those are surer than that.
REJECTED = 0.02
MOST_ASKED = 0.5
# One divisor of logits is searched for among these.
_TEMPERATURES = np.geomspace(0.2, 5.0, 49)


def calibrate(log_probability: Floats, labels: Ids, share: Floats) -> tuple[float, float]:
    """Return the temperature and the threshold of `unknown` that validation images ask for.

    Parameters
    ----------
    log_probability
        float32 `[n, k]`, without temperature.
    labels
        int64 `[n]`.
    share
        float32 `[n]`, of the joint distribution that falls to the head.
    """
    accept = float(np.quantile(share, REJECTED)) if len(share) else MOST_ASKED
    return fit_temperature(log_probability, labels), min(MOST_ASKED, accept)


def fit_temperature(logits: Floats, labels: Ids) -> float:
    """Return the temperature under which labels of validation images are most likely.

    One number divides all logits, so no decision changes (Guo et al. 2017, "On calibration of
    modern neural networks"). With few images, all of them right, the likelihood would ask for
    ever more confidence; one imaginary wrong answer per twenty keeps that within reason.

    Parameters
    ----------
    logits
        float32 `[n, k]`, of images that were not trained on.
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

    return min(map(float, _TEMPERATURES), key=loss)
