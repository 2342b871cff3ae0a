"""How many images of a catalog show a category, as far as a few answers tell.

Each judged picture is scored by a scorer that did not learn from it. How often pictures of a score
show the category is fitted to these (Platt 1999), which is right however the pictures were chosen
to be asked about, since they were chosen by their scores. Summed over the pictures that nobody
judged, from the least score on with which one showed the category, it is the estimate: further
down nobody was ever asked, and a sum of many small guesses says nothing. How certain it is, the
answers say when they are drawn anew with replacement; the upper end of the interval counts what
lies further down, too. docs/teaching.md has how often the interval was right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.learning.teaching.lesson import CategoryEstimate
from index.records import Floats, Ids

Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
HALF = 0.5


@dataclass(frozen=True, slots=True)
class EstimateOptions:
    """When an estimate is made, and how.

    Attributes
    ----------
    fewest
        So many of each answer there must be.
    fewest_precise
        And so many for a precision.
    folds
        In which answers are left out.
    draws
        Times that the answers are drawn anew.
    tail
        Share of the draws above the interval, and below it.
    steps
        Of the fit.
    ridge
        Weight of half the square of the slope, for scores whose standard deviation is 1.
    """

    fewest: int = 5
    fewest_precise: int = 8
    folds: int = 5
    draws: int = 100
    tail: float = 0.05
    steps: int = 15
    ridge: float = 0.1


def dealt(yes: Mask, groups: Ids, folds: int) -> Ids:
    """Deal judged pictures to folds, int64 `[m]`: both answers evenly, copies to the same one."""
    fold_of: Ids = np.zeros(len(yes), np.int64)
    first = np.unique(groups)
    rng = np.random.default_rng(len(yes))
    for answer in (True, False):
        some = rng.permutation(first[yes[first] == answer])
        fold_of[some] = np.arange(len(some)) % folds
    return fold_of[groups]


def calibrated(scores: Doubles, yes: Mask, counts: Doubles, how: EstimateOptions) -> Doubles:
    """Return slope and intercept `[draws, 2]` of the log-odds of yes by score, for each draw.

    Parameters
    ----------
    scores, yes
        `[m]`.
    counts
        How often each answer was drawn, times what it stands for, `[draws, m]`.
    """
    spread = max(float(scores.std()), 1e-9)
    inputs = np.stack([scores / spread, np.ones_like(scores)], axis=1)
    found: Doubles = np.tile([1.0, 0.0], (len(counts), 1))
    ridge = np.diag([how.ridge, 1e-4])
    for _ in range(how.steps):
        share = sigmoid(found @ inputs.T)
        weight = counts * share * (1 - share)
        gradient = (counts * (share - yes)) @ inputs + found @ ridge
        curve = np.einsum("dm,mi,mj->dij", weight, inputs, inputs) + ridge
        step = np.linalg.solve(curve, gradient[:, :, None])[:, :, 0]
        found -= np.clip(step, -2, 2)
    # A score that tells nothing does not tell the contrary.
    found[:, 0] = np.maximum(found[:, 0], 0)
    scaled: Doubles = found / np.array([spread, 1.0])
    return scaled


def estimate(
    left_out: Doubles,
    yes: Mask,
    scores: Floats,
    images: int,
    how: EstimateOptions,
    times: Doubles | None = None,
) -> CategoryEstimate | None:
    """Return how many images show the category; None where there are too few answers.

    Parameters
    ----------
    left_out
        Score of each judged picture by a scorer that did not learn from it, `[m]`.
    yes
        bool `[m]`.
    scores
        Of pictures that nobody judged, `[n]`: all there are, or a sample.
    images
        How many these stand for.
    times
        How many answers each of the judged pictures stands for, `[m]`; one, where it is None.
    """
    times = np.ones(len(yes)) if times is None else times
    rare, judged = min(int(yes.sum()), int((~yes).sum())), round(float(times[yes].sum()))
    if rare < how.fewest:
        return None
    if not len(scores):
        return CategoryEstimate(judged, judged, judged, None)
    count, (low, high), found = _sums(left_out, yes, times, scores, images / len(scores), how)
    whole = [judged + round(min(max(value, 0.0), images)) for value in (low, count, high)]
    precise = found if rare >= how.fewest_precise else None
    return CategoryEstimate(whole[1], min(whole[:2]), max(whole[1:]), precise)


def _sums(
    left_out: Doubles,
    yes: Mask,
    times: Doubles,
    scores: Floats,
    images: float,
    how: EstimateOptions,
) -> tuple[float, tuple[float, float], float | None]:
    """Return how many others show the category, between which numbers, and the precision.

    Each score stands for so many images.
    """
    rng, size = np.random.default_rng(len(yes)), len(yes)
    drawn = rng.multinomial(size, np.full(size, 1 / size), how.draws).astype(np.float64)
    drawn = np.concatenate([np.ones((1, size)), drawn])
    sums: list[float] = []
    all_sums: list[float] = []
    found = None
    for number, (slope, intercept) in enumerate(calibrated(left_out, yes, drawn * times, how)):
        shown = left_out[(drawn[number] > 0) & yes]
        share = sigmoid(slope * scores + intercept)
        reached = np.where(scores >= (shown if len(shown) else left_out[yes]).min(), share, 0)
        chance = rng.normal() if number else 0.0
        for part, told in ((reached, sums), (share, all_sums)):
            told.append(images * part.sum() + chance * np.sqrt(images * (part * (1 - part)).sum()))
        if not number and (likely := share[share >= HALF]).size:
            found = float(likely.mean())
    low = float(np.quantile(sums, how.tail))
    return float(sums[0]), (low, float(np.quantile(all_sums, 1 - how.tail))), found


def probabilities(
    left_out: Doubles,
    yes: Mask,
    scores: Floats,
    how: EstimateOptions,
    times: Doubles | None = None,
) -> Floats:
    """Return how likely pictures of these scores show the category, float32 `[n]`."""
    counts = np.ones((1, len(yes))) if times is None else times[None]
    ((slope, intercept),) = calibrated(left_out, yes, counts, how)
    return sigmoid(slope * scores + intercept).astype(np.float32)


def sigmoid(logits: Doubles | Floats) -> Doubles:
    """Return the probabilities of log-odds."""
    negative = np.clip(-np.asarray(logits, np.float64), -40, 40)
    share: Doubles = 1 / (1 + np.exp(negative))
    return share
