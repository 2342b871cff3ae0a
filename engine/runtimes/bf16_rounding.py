"""Rounding weights to bfloat16 without pulling every output to one side.

bfloat16 keeps the upper 16 bits of a float32: 8 bits of exponent and 7 of fraction, so a rounded
weight is off by up to 1/256 of itself. Within one filter those errors do not cancel, and where
the filter's inputs are alike, as neighbouring pixels are, its output is off by the sum of the
errors times that input: always to the same side, for every picture. In EfficientNet-Lite0 the
first depthwise convolution, with 3 x 3 weights of up to 17.7, causes nearly all of the distance
between bf16 and fp32.

So each filter is rounded in such a way that it keeps its sum. Nearest rounding comes first; then
single weights move to their other neighbour, always the one that brings the sum of the filter's
errors closest to zero, until none helps. This is the idea of AdaRound, that the nearest value is
not the best one for the output (Nagel et al., 2020, https://arxiv.org/abs/2004.10568), with the
mean of the inputs alone in place of calibration data: a filter that keeps its sum keeps its
answer to a constant input, whatever the constant (Nagel et al., 2019, call the error that remains
without it the bias of quantization, https://arxiv.org/abs/1906.04721).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from index.records import Floats

# A bound for the loop. The longest filters of ResNet50, 4608 weights, need about 40 flips.
FLIPS = 64
_UPPER = np.uint32(0xFFFF0000)
_LOWEST = np.uint32(0x00010000)


def sum_preserving_bf16(weights: Floats) -> Floats:
    """Round weights to bfloat16 so that each filter keeps its sum as well as it can.

    Parameters
    ----------
    weights
        float32 `[filters, ...]`; for a depthwise convolution one filter per channel. Values that
        are not finite stay as they are, and so does the rounding to nearest of their filter.

    Returns
    -------
    float32 of the same shape. Every value is exact in bfloat16 and one of the two neighbours of
    what it was; the error of a filter's sum is never larger than after rounding to nearest. What
    is exact in bfloat16 already does not change.
    """
    given = np.ascontiguousarray(weights, np.float32)
    if given.size == 0:
        return given.copy()
    filters = given.reshape(len(given), -1)
    nearest, other = _neighbours(filters)
    with np.errstate(invalid="ignore"):  # infinity less infinity, in a filter that stays
        error = (nearest - filters.astype(np.float64)).sum(axis=1)
        _flip(nearest, other - nearest, error)
    return nearest.reshape(given.shape)


def _neighbours(values: Floats) -> tuple[Floats, Floats]:
    """Return the nearest bfloat16 of each value (ties to even), and the one on its other side.

    Where a value is exact, or its other neighbour would be infinite, both are the same.
    """
    bits = values.view(np.uint32)
    toward_zero = bits & _UPPER
    away = (toward_zero + _LOWEST).view(np.float32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    nearest = ((bits + (odd + np.uint32(0x7FFF))) & _UPPER).view(np.float32)
    lower = toward_zero.view(np.float32)
    nearest = np.where(np.isfinite(nearest), nearest, lower)  # beyond bfloat16's largest
    nearest = np.where(np.isfinite(values), nearest, values)
    other = np.where(nearest == lower, away, lower)
    same = (lower == values) | ~np.isfinite(other) | ~np.isfinite(values)
    return nearest, np.where(same, nearest, other)


def _flip(rounded: Floats, step: Floats, error: npt.NDArray[np.float64]) -> None:
    """Move weights of `rounded` by their `step`, in place, while it brings `error` closer to 0.

    All filters take one flip together: that is one pass over the layer per flip, and seconds for
    the 25 million weights of ResNet50.
    """
    active = np.flatnonzero(error)
    for _ in range(FLIPS):
        if not active.size:
            return
        after = np.abs(error[active, None] + step[active])
        best = after.argmin(axis=1)
        better = after[np.arange(len(active)), best] < np.abs(error[active])
        active, best = active[better], best[better]
        error[active] += step[active, best]
        rounded[active, best] += step[active, best]
        step[active, best] *= -1  # from here the way back
