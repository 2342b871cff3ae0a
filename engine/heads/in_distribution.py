"""Whether an embedding is one that the built-in categories can speak of.

A softmax over a thousand categories is sure of things that are none of them: stripes are a
`window shade` with a probability of 0.81. Two cosines tell more, and each costs a dot product.

* That of the embedding and the direction of the likeliest category, which is its row of the
  classifier less the mean of all rows. Foreign things lie along no category.
* That of the embedding and the vector of ones, or how evenly the channels respond. Photographs
  have something for most channels, plain areas and patterns for few.

Their weighted sum is the *in-distribution score*; a picture with a lower one than nearly all
photographs have is out of distribution (the task of Hendrycks & Gimpel 2017, "A baseline for
detecting misclassified and out-of-distribution examples in neural networks"). docs/heads.md has
what else was tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from index.records import Floats, Ids

# The direction of a shorter embedding is rounding: of a plain grey picture it is all zeros.
SHORTEST = 1e-3


@dataclass(frozen=True, slots=True)
class InDistribution:
    """What was measured of the in-distribution scores of one backbone.

    Attributes
    ----------
    least
        Below this score a picture is out of distribution.
    evenness
        Weight of the cosine with the vector of ones; the other one has 1.
    likely
        Least probability of the best category of a picture that is not out of distribution.
    """

    least: float
    evenness: float = 0.4
    likely: float = 0.05

    def includes(self, cosine: Floats, evenness: Floats) -> npt.NDArray[np.bool_]:
        """Say which images are in distribution, bool `[n]`, by their two cosines `[n]`."""
        scores = cosine + np.float32(self.evenness) * evenness
        return np.asarray(scores >= self.least)


def directions(weight: Floats) -> Floats:
    """Return what embeddings are compared with whichever category is likeliest, `[2, dim]`.

    Parameters
    ----------
    weight
        Rows of the built-in classifier, float32 `[k, dim]`.
    """
    ones = np.full(weight.shape[1], weight.shape[1] ** -0.5, np.float32)
    return np.stack([weight.mean(axis=0), ones])


class CategoryLengths:
    """Lengths of the built-in categories' directions, each computed when it is first asked for.

    Parameters
    ----------
    weight, mean
        The built-in classifier, float32 `[k, dim]`, and the mean of its rows, `[dim]`.
    """

    def __init__(self, weight: Floats, mean: Floats) -> None:
        self._weight = weight
        self._mean = mean
        self._lengths = np.full(len(weight), np.nan, np.float32)

    def of(self, choice: Ids) -> Floats:
        """Return the length of each of these categories, float32 `[n]`."""
        new = np.unique(choice[np.isnan(self._lengths[choice])])
        if len(new):
            self._lengths[new] = np.linalg.norm(self._weight[new] - self._mean, axis=1)
        return self._lengths[choice]


def cosine_to_category(
    length: Floats, bias: Floats, logit: Floats, mean_logit: Floats, norm: Floats
) -> Floats:
    """Return the cosine of each embedding and its likeliest category, float32 `[n]`.

    Parameters
    ----------
    length, bias, logit
        Of each image's likeliest category the length of its direction, its bias, and its logit,
        float32 `[n]`.
    mean_logit
        Product of each unit embedding and the mean row of the classifier, float32 `[n]`.
    norm
        Lengths of the embeddings, float32 `[n]`.
    """
    # The logit holds the product with the category's row: embeddings are not needed again.
    along = (logit - bias) / np.maximum(norm, SHORTEST) - mean_logit
    cosine: Floats = np.where(norm < SHORTEST, 0, along / np.maximum(length, SHORTEST))
    return cosine.astype(np.float32)
