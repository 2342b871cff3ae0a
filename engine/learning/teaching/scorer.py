"""Who tells a category from all else while it is taught: logistic regression on a few answers.

It is fitted by Newton's method in the span of what it learns from, a few hundred rows, whatever the
dim: milliseconds. Beside the answers it learns from pictures that nobody judged, as if they did
not show the category; most do not, and together they count little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from engine.heads.fitting.rows import embedding_scale
from index.records import Floats, Ids

Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ScorerOptions:
    """How scorers are fitted; chosen on other categories than `benchmarks.teaching` reports.

    Attributes
    ----------
    decay
        Weight of half the squared length of the weights against the mean loss.
    answers
        So many are learned from at most: the time grows with their third power.
    background
        So many pictures that nobody judged are learned from, and they count together as much of
        `no` as this share of all answers.
    background_share
        See there.
    steps, tolerance
        Newton's method ends after so many steps, or where no logit changes by more.
    """

    decay: float = 0.3
    answers: int = 600
    background: int = 200
    background_share: float = 0.2
    steps: int = 25
    tolerance: float = 1e-3


def drawn_answers(yes: Mask, most: int) -> Ids:
    """Return which answers are learned from, int64, ascending: all, or `most` of them.

    Of the rarer kind as many as there are, up to a half; the others are drawn at random, the same
    ones for the same answers.
    """
    if len(yes) <= most:
        return np.arange(len(yes))
    rare, common = sorted((np.flatnonzero(yes), np.flatnonzero(~yes)), key=len)
    rng, rarer = np.random.default_rng(len(yes)), min(len(rare), most // 2)
    drawn = [rng.permutation(rare)[:rarer], rng.permutation(common)[: most - rarer]]
    return np.sort(np.concatenate(drawn))


class Answered:
    """Pictures that were judged, and some that were not, `m` and `b` of them.

    Parameters
    ----------
    unit
        Unit vectors, float32 `[m + b, dim]`, those judged first.
    yes
        bool `[m]`, whether each shows the category.
    options
        How scorers are fitted.
    """

    def __init__(self, unit: Floats, yes: Mask, options: ScorerOptions | None = None) -> None:
        self.unit = unit
        self.yes = yes
        self._options = options or ScorerOptions()
        self._scale = embedding_scale(unit.shape[1])
        rows = unit.astype(np.float64) * self._scale
        self._kernel: Doubles = rows @ rows.T

    def direction(self) -> tuple[Floats, float]:
        """Return weights `[dim]` and bias of the scorer that learned from all of them."""
        everything = np.arange(len(self.unit))
        alpha, bias = self._fit(everything)
        weight = (self.unit.T @ alpha.astype(np.float32)) * np.float32(self._scale**2)
        return weight.astype(np.float32), bias

    def left_out(self, fold_of: Ids) -> Doubles:
        """Return the score of each judged picture by a scorer that did not learn from its fold.

        Parameters
        ----------
        fold_of
            int64 `[m]`.
        """
        scores: Doubles = np.zeros(len(fold_of))
        everything = np.arange(len(self.unit))
        for fold in np.unique(fold_of):
            out = np.flatnonzero(fold_of == fold)
            learned = np.setdiff1d(everything, out)
            alpha, bias = self._fit(learned)
            scores[out] = self._kernel[np.ix_(out, learned)] @ alpha + bias
        return scores

    def _fit(self, rows: Ids) -> tuple[Doubles, float]:
        """Return the scorer of least loss in the span of some rows: coefficients and bias."""
        options, count = self._options, len(rows)
        target, weight = self._targets(rows)
        kernel = self._kernel[np.ix_(rows, rows)]
        alpha, bias, ones = np.zeros(count), 0.0, np.ones(count)
        matrix, diagonal = np.empty_like(kernel, order="F"), np.arange(count)
        for _ in range(options.steps):
            logits = kernel @ alpha + bias
            share = 1 / (1 + np.exp(-np.clip(logits, -40, 40)))
            curve = np.maximum(weight * share * (1 - share), 1e-9)
            wanted = logits - weight * (share - target) / curve
            matrix[:] = kernel
            matrix[diagonal, diagonal] += options.decay / curve
            factor = cho_factor(matrix, lower=True, overwrite_a=True)
            first, second = cho_solve(factor, ones), cho_solve(factor, wanted)
            bias = float(second.sum() / first.sum())
            alpha = second - bias * first
            if np.abs(kernel @ alpha + bias - logits).max() < options.tolerance:
                break
        return alpha, bias

    def _targets(self, rows: Ids) -> tuple[Doubles, Doubles]:
        """Return what each row should be, and what it counts; yes and no count alike."""
        judged = rows < len(self.yes)
        yes = np.zeros(len(rows), np.bool_)
        yes[judged] = self.yes[rows[judged]]
        no = judged & ~yes
        weight: Doubles = np.where(yes, 1 / max(1, int(yes.sum())), 0.0)
        weight += np.where(no, 1 / max(1, int(no.sum())), 0.0)
        # Where nobody said no, they are all there is.
        share = 2 * self._options.background_share if no.any() else 1.0
        weight += np.where(judged, 0.0, share / max(1, int((~judged).sum())))
        return yes.astype(np.float64), weight / weight.sum()
