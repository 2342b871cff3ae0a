"""A gate from embeddings: what belongs to new categories, beside the built-in ones."""

from __future__ import annotations

from collections.abc import Callable

from engine.heads.classifier import BuiltIn
from engine.heads.fitting.background import background_logits
from engine.heads.fitting.lbfgs import fit_gate
from engine.heads.fitting.rows import Barred, Mask, Rows
from engine.heads.head import Dense
from engine.heads.numerics import log_sum_exp
from index.records import Ids, Vectors


def gate_of(
    positives: Vectors,
    labels: Ids,
    outputs: int,
    background: Vectors,
    built_in: BuiltIn,
    start: Dense | None = None,
    barred: tuple[Vectors, Mask] | None = None,
    after: Callable[[], None] = lambda: None,
) -> Dense:
    """Fit a gate that lets embeddings of so many labels in and keeps a background out.

    Parameters
    ----------
    start
        A gate fitted to nearly the same.
    barred
        Embeddings that were said not to show some of the labels, and which, bool `[r, outputs]`.
    after
        Is called after each iteration.
    """
    frozen = log_sum_exp(built_in.logits(positives)), background_logits(background, built_in)
    out = None
    if barred is not None and len(barred[0]):
        vectors, mask = barred
        out = Barred(vectors.raw, background_logits(vectors, built_in), mask)
    rows = Rows(positives.raw, labels)
    return fit_gate(rows, outputs, background.raw, frozen, start, out, after)
