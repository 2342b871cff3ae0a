"""A gate from embeddings: what belongs to new categories, beside the built-in ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.heads.classifier import BuiltIn
from engine.heads.fitting.background import background_logits
from engine.heads.fitting.lbfgs import fit_gate
from engine.heads.fitting.rows import Barred, Mask, Rows
from engine.heads.head import Dense
from engine.heads.numerics import log_sum_exp
from index.records import Floats, Ids, Vectors

# Images of which the built-in logits are in memory at a time.
BLOCK = 1024


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
    inside = positives.raw
    frozen = _totals(inside, built_in), background_logits(background, built_in)
    out = None
    if barred is not None and len(barred[0]):
        vectors, mask = barred
        out = Barred(vectors.raw, background_logits(vectors, built_in), mask)
    rows = Rows(inside, labels)
    return fit_gate(rows, outputs, background.raw, frozen, start, out, after)


def _totals(raw: Floats, built_in: BuiltIn, block: int = BLOCK) -> Floats:
    """Return log-sum-exp of the built-in logits of embeddings `[n, dim]`, some rows at a time.

    Of all at once the thousand logits would take as much memory as the embeddings, three times.
    """
    totals = np.empty(len(raw), np.float32)
    for start in range(0, len(raw), block):
        rows = slice(start, start + block)
        totals[rows] = log_sum_exp(built_in.layer(raw[rows]))
    return totals
