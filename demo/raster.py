"""Which triangle covers which pixel: a z-buffer filled with whole arrays of spans."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from demo.scene import Floats, Indices

OWNER_BITS = 20
DEPTH_LEVELS = 2**31 - 1
SMALLEST_AREA = 1e-9
PIECE = 16_384  # pixels filled at a time: more would not stay in the processor's cache


@dataclass(frozen=True, eq=False)
class Cover:
    """The nearest triangle at every covered pixel of a raster.

    Attributes
    ----------
    pixel : ndarray of int64, shape (k,)
        Covered pixels, numbered row by row, ascending.
    owner : ndarray of int64, shape (k,)
        Number of the triangle seen there.
    nearness : ndarray of float64, shape (k,)
        The nearness interpolated at the pixel's middle.
    """

    pixel: Indices
    owner: Indices
    nearness: Floats


@dataclass(frozen=True, eq=False)
class _Spans:
    """Runs of neighbouring pixels of one triangle on one row."""

    owner: Indices
    row: Indices
    left: Indices
    length: Indices


def edges(xy: Floats, triangles: Indices) -> Floats:
    """Find the edge functions of triangles (Pineda 1988).

    Parameters
    ----------
    xy : ndarray of float64, shape (n, 2)
        Vertex positions, pixels.
    triangles : ndarray of int64, shape (m, 3)
        Vertex numbers.

    Returns
    -------
    ndarray of float64, shape (m, 3, 3)
        ``[t, i]`` holds a, b, c of ``a x + b y + c``: zero on the edge opposite corner i,
        and twice the signed area of triangle t at corner i.
    """
    corner = xy[triangles]
    start, end = corner[:, [1, 2, 0]], corner[:, [2, 0, 1]]
    a = start[..., 1] - end[..., 1]
    b = end[..., 0] - start[..., 0]
    c = start[..., 0] * end[..., 1] - end[..., 0] * start[..., 1]
    return np.stack([a, b, c], axis=-1)


def planes(edge: Floats, values: Floats) -> Floats:
    """Find the linear functions of (x, y) that take given values at the corners.

    Parameters
    ----------
    edge : ndarray of float64, shape (m, 3, 3)
        Edge functions of the triangles.
    values : ndarray of float64, shape (m, 3, k)
        k values at each corner.

    Returns
    -------
    ndarray of float64, shape (m, 3, k)
        ``[t, :, j]`` holds a, b, c of ``a x + b y + c``.
    """
    area = edge[:, :, 2].sum(axis=1)
    area = np.where(np.abs(area) < SMALLEST_AREA, np.inf, area)
    return np.asarray(np.einsum("tic,tik->tck", edge / area[:, None, None], values))


def cover(
    xy: Floats,
    nearness: Floats,
    triangles: Indices,
    two_sided: npt.NDArray[np.bool_],
    shape: tuple[int, int],
) -> Cover:
    """Find the nearest triangle at every pixel (z-buffer, Catmull 1974).

    Parameters
    ----------
    xy : ndarray of float64, shape (n, 2)
        Vertex positions, pixels, y downwards.
    nearness : ndarray of float64, shape (n,)
        Larger is nearer; linear over the raster, such as one over depth.
    triangles : ndarray of int64, shape (m, 3)
        Vertex numbers, counter-clockwise from the front.
    two_sided : ndarray of bool, shape (m,)
        Triangles that are kept when seen from behind.
    shape : tuple of two ints
        Height and width of the raster, pixels.

    Returns
    -------
    Cover
        What is seen at each pixel.
    """
    low, high = float(nearness.min()), float(nearness.max())
    scale = DEPTH_LEVELS / max(high - low, 1e-12)
    levels = (nearness - low) * scale
    x, y = xy[:, 0][triangles].T, xy[:, 1][triangles].T
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    # With y downwards a triangle seen from the front has a negative area.
    facing = np.flatnonzero((area < -SMALLEST_AREA) | (two_sided & (area > SMALLEST_AREA)))
    edge = edges(xy, triangles[facing])
    flat = planes(edge, levels[triangles[facing]][..., None])[..., 0]
    edge *= np.sign(area[facing])[:, None, None]
    spans = _spans(edge, y[:, facing], shape)

    best = np.zeros(shape[0] * shape[1], dtype=np.int64)
    total = np.cumsum(spans.length)
    pieces = int(total[-1]) // PIECE + 1 if len(total) else 0
    cuts = np.searchsorted(total, np.arange(pieces + 1) * PIECE)
    for first, last in pairwise(cuts):
        piece = slice(first, last)
        part = _Spans(*(a[piece] for a in (spans.owner, spans.row, spans.left, spans.length)))
        _fill(best, part, flat, facing, shape[1])
    covered = np.flatnonzero(best)
    found = best[covered]
    owner = (found & ((1 << OWNER_BITS) - 1)) - 1
    return Cover(covered, owner, (found >> OWNER_BITS) / scale + low)


def _fill(best: Indices, spans: _Spans, flat: Floats, number: Indices, width: int) -> None:
    """Enter the pixels of spans into ``best``, the nearest depth and triangle so far."""
    length = spans.length
    start = np.cumsum(length) - length
    step = np.arange(int(length.sum())) - np.repeat(start, length)
    pixel = np.repeat(spans.row * width + spans.left, length) + step
    slope, down, level = flat[spans.owner].T
    first = slope * (spans.left + 0.5) + down * (spans.row + 0.5) + level
    depth = np.repeat(first, length) + np.repeat(slope, length) * step
    # Depth and triangle share one integer, so the nearest pair wins in a single pass.
    key = np.clip(depth, 0, DEPTH_LEVELS).astype(np.int64) << OWNER_BITS
    key |= np.repeat(number[spans.owner] + 1, length)
    np.maximum.at(best, pixel, key)


def _spans(edge: Floats, y: Floats, shape: tuple[int, int]) -> _Spans:
    height, width = shape
    first, second, third = y  # far faster than reducing over an axis of three
    low = np.minimum(np.minimum(first, second), third)
    high = np.maximum(np.maximum(first, second), third)
    top = np.clip(np.ceil(low - 0.5), 0, height).astype(np.int64)
    bottom = np.clip(np.ceil(high - 0.5), 0, height).astype(np.int64)
    rows = np.maximum(bottom - top, 0)
    owner = np.repeat(np.arange(len(edge)), rows)
    row = np.arange(int(rows.sum())) - np.repeat(np.cumsum(rows) - rows - top, rows)
    left = np.zeros(len(owner))
    right = np.full(len(owner), float(width))
    for terms in np.ascontiguousarray(edge.transpose(1, 2, 0)):
        a, b, c = terms[:, owner]
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = -(b * (row + 0.5) + c) / a
        left = np.where(a > 0, np.maximum(left, crossing), left)
        right = np.where(a < 0, np.minimum(right, crossing), right)
    # A pixel belongs to a triangle when its middle lies inside: neighbours never share one.
    start = np.ceil(left - 0.5).astype(np.int64)
    length = np.ceil(right - 0.5).astype(np.int64) - start
    full = np.flatnonzero(length > 0)
    return _Spans(owner[full], row[full], start[full], length[full])
