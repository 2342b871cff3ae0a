"""The simple solids that furniture is made of: boxes, turned shapes, tubes and pillows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from demo.scene import Floats, Indices, Mesh, Point, join, sheet, unit

ORIGIN: Point = (0.0, 0.0, 0.0)
ROUND_SIDES = 28
BULGE_LINES = 6
CUBE_FACES = tuple((axis, side) for axis in range(3) for side in (-1, 1))


@cache
def _grid_cells(rows: int, columns: int) -> Indices:
    """Two triangles a cell of a grid numbered row by row, wound from rows to columns."""
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    return np.stack([np.stack([a, d, c], -1), np.stack([a, c, b], -1)]).reshape(-1, 3)


@cache
def _cube_triangles(lines: int) -> Indices:
    cells = _grid_cells(lines, lines)
    faces = [(cells if side > 0 else cells[:, ::-1]) for _axis, side in CUBE_FACES]
    return np.concatenate([face + i * lines * lines for i, face in enumerate(faces)])


def _swollen(points: Floats, normals: Floats, half: Floats, bulge: float) -> Floats:
    """Raise the middle of a box's top and bottom in place; return the new normals."""
    x, z = points[..., 0] / half[0], points[..., 2] / half[2]
    lift = normals[..., 1].copy()
    points[..., 1] += bulge * (1 - x * x) * (1 - z * z) * lift
    normals[..., 0] += 2 * bulge * x / half[0] * (1 - z * z) * np.abs(lift)
    normals[..., 2] += 2 * bulge * z / half[2] * (1 - x * x) * np.abs(lift)
    return unit(normals)


def box(
    size: Point, centre: Point = ORIGIN, radius: float = 0.0, bulge: float = 0.0, steps: int = 2
) -> Mesh:
    """Make a box, on request with rounded edges and a swollen top and bottom.

    Parameters
    ----------
    size, centre : tuple of three floats
        Extent and middle, metres.
    radius : float
        Radius of the edges, metres; held below half the smallest extent.
    bulge : float
        How far the middle of the top and bottom rises, metres (a seat cushion).
    steps : int
        Cells across half of a rounded edge.

    Returns
    -------
    Mesh
        Six grids, one per side.
    """
    half = np.array(size) / 2.0
    radius = min(radius, 0.98 * float(half.min()))
    edge = half[:, None]
    if radius > 0.0:
        edge = edge - radius + radius * np.tan(np.linspace(0.0, np.pi / 4, steps + 1))
    inner = np.linspace(-edge[:, 0], edge[:, 0], BULGE_LINES + 2, axis=1)[:, 1:-1]
    middle = [inner] if bulge > 0.0 else []
    lines = np.concatenate([-edge[:, ::-1], *middle, edge], axis=1)
    count = lines.shape[1]
    points, normals = np.empty((6, count, count, 3)), np.zeros((6, count, count, 3))
    uv = np.empty((6, count, count, 2))
    for face, (axis, side) in enumerate(CUBE_FACES):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        points[face, ..., axis], normals[face, ..., axis] = side * half[axis], side
        points[face, ..., first] = lines[first][:, None]
        points[face, ..., second] = lines[second]
        # The grain follows the longer edge of the face.
        longer, shorter = (first, second) if half[first] >= half[second] else (second, first)
        uv[face, ..., 0], uv[face, ..., 1] = points[face, ..., longer], points[face, ..., shorter]
    if radius > 0.0:
        core = np.clip(points, radius - half, half - radius)
        normals = unit(points - core)
        points = core + radius * normals
    if bulge > 0.0:
        normals = _swollen(points, normals, half, bulge)
    points += np.array(centre)
    flat = [array.reshape(-1, array.shape[-1]) for array in (points, normals, uv)]
    return Mesh(flat[0], flat[1], flat[2], _cube_triangles(count))


def lathe(profile: Sequence[tuple[float, float]], sides: int = ROUND_SIDES) -> Mesh:
    """Turn a profile about the y axis into a smooth surface of revolution.

    Parameters
    ----------
    profile : sequence of (radius, height) pairs
        Metres, from bottom to top for a surface that faces outwards.
    sides : int
        Facets around.

    Returns
    -------
    Mesh
        An open surface; end the profile at radius 0 to close it.
    """
    radius, height = np.array(profile).T
    angle = np.linspace(0.0, 2.0 * np.pi, sides + 1)
    cos, sin = np.cos(angle)[None, :], np.sin(angle)[None, :]
    points = np.stack([radius[:, None] * cos, height[:, None] + 0 * cos, radius[:, None] * sin], -1)
    out, up = np.gradient(height)[:, None], -np.gradient(radius)[:, None]
    normals = unit(np.stack([out * cos, up + 0 * cos, out * sin], axis=-1))
    return sheet(points, normals)


def disc(radius: float, height: float, up: bool) -> Mesh:
    """Make a flat horizontal disc at y = ``height`` that faces up or down, metres."""
    turned = lathe([(radius, height), (0.0, height)] if up else [(0.0, height), (radius, height)])
    return replace(turned, uv=turned.vertices[:, [0, 2]])  # straight grain, as in a board


def drum(bottom: float, top: float, height: float, caps: bool = True) -> Mesh:
    """Make an upright cylinder or cone frustum on y = 0 from its two radii, metres."""
    side = lathe([(bottom, 0.0), (top, height)])
    return join([side, disc(top, height, True), disc(bottom, 0.0, False)]) if caps else side


def tube(path: Floats, radius: float | Floats, sides: int = 10) -> Mesh:
    """Sweep a circle along a path of points.

    Parameters
    ----------
    path : ndarray of float64, shape (k, 3)
        Middle line, metres.
    radius : float or ndarray of float64, shape (k,)
        Radius, metres.
    sides : int
        Facets around.

    Returns
    -------
    Mesh
        An open-ended smooth tube.
    """
    forward = unit(np.gradient(path, axis=0))
    # One reference direction for the whole path keeps the tube from twisting.
    reference = np.eye(3)[int(np.argmin(np.abs(forward).max(axis=0)))]
    aside = unit(np.cross(forward, reference))
    above = np.cross(aside, forward)
    angle = np.linspace(0.0, 2.0 * np.pi, sides + 1)[None, :, None]
    normals = np.cos(angle) * aside[:, None] + np.sin(angle) * above[:, None]
    thickness = np.broadcast_to(np.asarray(radius, dtype=np.float64), (len(path),))
    return sheet(path[:, None] + thickness[:, None, None] * normals, normals)


@cache
def _rod_triangles(sides: int) -> Indices:
    ring = np.arange(sides)
    after = (ring + 1) % sides
    low, high = ring, ring + sides
    wall = [
        np.stack([low, high, high - ring + after], 1),
        np.stack([low, high - ring + after, after], 1),
    ]
    first, last = ring + 2 * sides, ring + 3 * sides
    foot = np.stack([first, after + 2 * sides, np.full(sides, 4 * sides)], 1)
    head = np.stack([after + 3 * sides, last, np.full(sides, 4 * sides + 1)], 1)
    return np.concatenate([*wall, foot, head])


def rod(start: Point, end: Point, bottom: float, top: float, sides: int = 12) -> Mesh:
    """Make a straight round bar with closed ends, radii ``bottom`` at start, ``top`` at end."""
    first, last = np.array(start), np.array(end)
    length = float(np.linalg.norm(last - first))
    along = (last - first) / max(length, 1e-9)
    aside = unit(np.cross(along, np.eye(3)[int(np.argmin(np.abs(along)))]))
    angle = np.linspace(0.0, 2.0 * np.pi, sides, endpoint=False)[:, None]
    out = np.cos(angle) * aside + np.sin(angle) * np.cross(along, aside)
    low, high = first + bottom * out, last + top * out
    flat = np.broadcast_to(along, out.shape)
    around = np.linspace(0.0, 2 * np.pi * max(bottom, top), sides)
    uv = np.zeros((4 * sides + 2, 2))
    uv[:, 1] = np.concatenate([around, around, around, around, (0.0, 0.0)])
    uv[sides : 2 * sides, 0] = length
    return Mesh(
        np.concatenate([low, high, low, high, (first, last)]),
        np.concatenate([out, out, -flat, flat, (-along, along)]),
        uv,
        _rod_triangles(sides),
    )


def pillow(width: float, depth: float, thickness: float, cells: int = 10) -> Mesh:
    """Make a stuffed pillow with pinched corners lying flat around the origin, metres."""
    s = np.sin(np.linspace(-np.pi / 2, np.pi / 2, cells + 1))
    u, v = np.meshgrid(s, s, indexing="ij")
    x = width / 2 * u * (0.92 + 0.08 * v * v)
    z = depth / 2 * v * (0.92 + 0.08 * u * u)
    swell = thickness / 2 * np.sqrt(np.maximum((1 - u**2) * (1 - v**2), 0.0))
    top = sheet(np.stack([x, swell, z], -1), flip=True)
    bottom = sheet(np.stack([x, -swell, z], -1))
    return join([top, bottom])
