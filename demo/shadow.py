"""Shadows: a depth map seen from the lamp, and the darkening where things meet the floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from demo.raster import cover
from demo.scene import Floats, Indices, Values, unit

MAP_SIDE = 224
CONTACT_SIDE = 112
BORDER = 20  # texels around the furniture, room for the blur
NEAR_BLUR, FAR_BLUR = 1, 6  # texels
BIAS = 0.007  # of the furniture's size: keeps a surface from shading itself
TAPS = ((-0.9, -0.4), (0.4, -0.9), (0.9, 0.4), (-0.4, 0.9))  # texels
CONTACT_HEIGHT = 0.11  # of the furniture's size


@dataclass(frozen=True, eq=False)
class Grid:
    """A square map over a plane through the scene.

    Attributes
    ----------
    axes : ndarray of float64, shape (2, 3)
        Directions of the columns and the rows.
    corner : ndarray of float64, shape (2,)
        Coordinates of the first texel's edge, metres.
    texels : float
        Texels per metre.
    side : int
        Texels along a side.
    """

    axes: Floats
    corner: Floats
    texels: float
    side: int

    def locate(self, points: Values) -> Values:
        """Turn points, shape (3, n), into texel coordinates, shape (2, n)."""
        axes = self.axes.astype(np.float32)
        at = np.stack([a * points[0] + b * points[1] + c * points[2] for a, b, c in axes])
        at -= self.corner.astype(np.float32)[:, None]
        at *= np.float32(self.texels)
        return at

    def sample(self, values: Values, points: Values) -> Values:
        """Read a map at points, bilinearly; its edge texels continue outwards.

        Parameters
        ----------
        values : ndarray of float32, shape (side, side)
            The map.
        points : ndarray of float32, shape (3, n)
            Metres.

        Returns
        -------
        ndarray of float32, shape (n,)
            The map's values there.
        """
        at = np.clip(self.locate(points) - np.float32(0.5), 0, np.float32(self.side - 1.01))
        cell = at.astype(np.int32)
        x, y = at - cell.astype(np.float32)
        first = cell[1] * self.side + cell[0]
        flat = values.ravel()
        upper = flat[first] * (1 - x) + flat[first + 1] * x
        first += self.side
        lower = flat[first] * (1 - x) + flat[first + 1] * x
        return np.asarray(upper * (1 - y) + lower * y)


def _grid(points: Floats, axes: Floats, side: int) -> Grid:
    flat = axes @ points.T
    low, high = flat.min(axis=1), flat.max(axis=1)
    texels = (side - 2 * BORDER) / float((high - low).max())
    return Grid(axes, (low + high) / 2 - side / (2 * texels), texels, side)


def blurred(values: Values, radius: int) -> Values:
    """Blur a map, shape (rows, columns), by two box filters; edge values continue outwards."""
    width = 2 * radius + 1
    for _ in range(2):
        padded = np.pad(values, radius, mode="edge")
        rows, columns = values.shape
        down = padded[:rows].copy()
        for shift in range(1, width):
            down += padded[shift : shift + rows]
        total = down[:, :columns].copy()
        for shift in range(1, width):
            total += down[:, shift : shift + columns]
        values = total / np.float32(width * width)
    return values


@dataclass(frozen=True, eq=False)
class Shadow:
    """What one piece of furniture takes away from the light around it.

    Attributes
    ----------
    grid : Grid
        The map seen from the lamp.
    toward : ndarray of float64, shape (3,)
        Direction to the lamp.
    nearest : ndarray of float32, shape (MAP_SIDE, MAP_SIDE)
        How far towards the lamp the first surface lies, metres; minus infinity for none.
    soft : ndarray of float32, shape (MAP_SIDE, MAP_SIDE)
        Share of the lamp hidden from things behind the furniture.
    floor : Grid
        The map of the floor.
    contact : ndarray of float32, shape (CONTACT_SIDE, CONTACT_SIDE)
        Share of the surrounding light kept off the floor.
    bias : float
        Metres.
    """

    grid: Grid
    toward: Floats
    nearest: Values
    soft: Values
    floor: Grid
    contact: Values
    bias: float

    def on_room(self, points: Values) -> Values:
        """Share of the lamp hidden at floor or wall points, shape (3, n)."""
        return self.grid.sample(self.soft, points)

    def on_floor(self, points: Values) -> Values:
        """Share of the surrounding light kept off floor points, shape (3, n)."""
        return self.floor.sample(self.contact, points)

    def on_furniture(self, points: Values, normals: Values) -> Values:
        """Share of the lamp hidden on the furniture itself (shadow map, Williams 1978).

        Parameters
        ----------
        points, normals : ndarray of float32, shape (3, n)
            Metres, and unit directions.

        Returns
        -------
        ndarray of float32, shape (n,)
            0 in full light to 1 in full shadow.
        """
        lifted = points + np.float32(self.bias) * normals
        column, row = self.grid.locate(lifted)
        a, b, c = self.toward.astype(np.float32)
        depth = a * lifted[0] + b * lifted[1] + c * lifted[2] + np.float32(self.bias)
        flat = self.nearest.ravel()
        hidden = np.zeros(points.shape[1], dtype=np.float32)
        for dx, dy in TAPS:
            x = (column + np.float32(dx)).astype(np.int32)
            y = (row + np.float32(dy)).astype(np.int32)
            hidden += flat.take(y * self.grid.side + x, mode="clip") > depth
        return hidden / np.float32(len(TAPS))


def cast(
    points: Floats, triangles: Indices, two_sided: npt.NDArray[np.bool_], toward: Floats
) -> Shadow:
    """Map the shadow and the contact darkening of a mesh.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 3)
        Vertices, metres.
    triangles : ndarray of int64, shape (m, 3)
        The triangles that cast a shadow.
    two_sided : ndarray of bool, shape (m,)
        Those that do so from behind too.
    toward : ndarray of float64, shape (3,)
        Direction to the lamp.

    Returns
    -------
    Shadow
        Maps to be read by position.
    """
    used = points[triangles.ravel()]
    size = float(np.ptp(used, axis=0).max())
    right = unit(np.cross((0.0, 1.0, 0.0), toward))
    grid = _grid(used, np.stack([right, -np.cross(toward, right)]), MAP_SIDE)
    nearest = _depth_map(grid, points, points @ toward, triangles, two_sided)
    hidden = np.isfinite(nearest).astype(np.float32)
    soft = 0.55 * blurred(hidden, NEAR_BLUR) + 0.45 * blurred(hidden, FAR_BLUR)

    # Seen from below: mirrored columns make the undersides the faces in front.
    floor = _grid(used, np.array(((-1.0, 0.0, 0.0), (0.0, 0.0, 1.0))), CONTACT_SIDE)
    height = -_depth_map(floor, points, -points[:, 1], triangles, two_sided)
    near = np.exp(-np.maximum(height, 0.0) / np.float32(CONTACT_HEIGHT * size))
    contact = 0.6 * blurred(near, 1) + 0.4 * blurred(near, 5)
    return Shadow(grid, toward, nearest, soft, floor, contact, BIAS * size)


def _depth_map(
    grid: Grid,
    points: Floats,
    nearness: Floats,
    triangles: Indices,
    two_sided: npt.NDArray[np.bool_],
) -> Values:
    """Nearness of the first surface at every texel, minus infinity where there is none."""
    xy = (points @ grid.axes.T - grid.corner) * grid.texels
    seen = cover(xy, nearness, triangles, two_sided, (grid.side, grid.side))
    depth = np.full(grid.side * grid.side, -np.inf, dtype=np.float32)
    depth[seen.pixel] = seen.nearness
    return depth.reshape(grid.side, grid.side)
