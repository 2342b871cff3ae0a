"""Which of several candidates is taken, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.heads.options import TrainOptions
from engine.learning.results import Candidate, ModelSelection
from engine.learning.selection.candidates import describe
from index.records import Floats

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate, and its scores: log-loss and whether the answer is right, `[2, selections, m]`.

    NaN where an image was not asked about.
    """

    options: TrainOptions
    scores: Scores

    def of(self, score: int, selection: int | None) -> Floats:
        """Return a score of each image, float32 `[m]`; for the final head the mean over trials."""
        if selection is not None:
            one: Floats = self.scores[score, selection]
            return one
        known = np.isfinite(self.scores[score])
        total, count = np.where(known, self.scores[score], 0).sum(axis=0), known.sum(axis=0)
        mean: Floats = np.where(count, total / np.maximum(count, 1), np.nan).astype(np.float32)
        return mean


def told_of(
    compared: Sequence[Scored],
    final: TrainOptions,
    folds: int,
    late: Sequence[TrainOptions],
    seconds: float,
) -> ModelSelection:
    """Return what was compared, and why the final options were chosen."""
    losses = np.stack([each.of(0, None) for each in compared])
    asked = np.isfinite(losses).any(axis=0)
    _, behind, errors = first_of_best(losses[:, asked])
    candidates = [
        Candidate(
            options=describe(each.options),
            log_loss=float(np.nanmean(losses[number])),
            accuracy=float(np.nanmean(each.of(1, None))),
            behind=float(behind[number]),
            standard_error=float(errors[number]),
            chosen=each.options == final,
        )
        for number, each in enumerate(compared)
    ]
    images, left_out = int(asked.sum()), [describe(each) for each in late]
    judged = final.views is None and any(each.options.views for each in compared)
    reason = _reason(candidates, folds, images, judged=judged)
    if left_out:
        reason += f"; left out for want of time: {len(left_out)} ({'; '.join(left_out)})"
    return ModelSelection(reason, folds, images, candidates, seconds, left_out)


def first_of_best(losses: Floats) -> tuple[int, Floats, Floats]:
    """Return the first candidate within one standard error of the best, by losses `[c, n]`.

    Also by how much the mean loss of each is above the best, and its standard error. The first is
    the best where nothing was measured.
    """
    known = losses[:, np.isfinite(losses).all(axis=0)]
    if not known.size:
        nothing = np.zeros(len(losses), np.float32)
        return 0, nothing, nothing
    above = known - known[np.argmin(known.mean(axis=1))]
    behind = above.mean(axis=1)
    errors = above.std(axis=1) / np.sqrt(max(1, known.shape[1] - 1))
    return int(np.argmax(behind <= errors)), behind, errors


def _reason(told: Sequence[Candidate], folds: int, images: int, *, judged: bool) -> str:
    """Say in a sentence why a candidate was selected.

    Parameters
    ----------
    judged
        Drawn views were left to it, because they made it better.
    """
    chosen = next(each for each in told if each.chosen)
    best = min(told, key=lambda each: each.log_loss)
    found = (
        f"{chosen.options}: log-loss {chosen.log_loss:.3f}, accuracy "
        f"{chosen.accuracy:.3f} in {folds} folds of {images} images"
    )
    if len(told) == 1:
        return f"{found}, the only one"
    if best is chosen:
        return f"{found}, the best of {len(told)}"
    simplest = f"{found}, the simplest of {len(told)} within one standard error of the best"
    return f"{simplest} ({best.options}, {best.log_loss:.3f}){', better with its views' * judged}"
