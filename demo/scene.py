"""Geometry of the demo scenes: triangle meshes, their materials and the scene they form.

Lengths are metres. The axes are right-handed: x to the right, y up, z towards the viewer,
with the floor at y = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Point = tuple[float, float, float]
Colour = tuple[float, float, float]

AXES = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles that share vertices.

    Attributes
    ----------
    vertices : ndarray of float64, shape (n, 3)
        Positions in metres.
    normals : ndarray of float64, shape (n, 3)
        Unit outward directions, interpolated over a triangle (Phong 1975).
    uv : ndarray of float64, shape (n, 2)
        Surface coordinates in metres; wood grain runs along the first one.
    triangles : ndarray of int64, shape (m, 3)
        Vertex numbers, counter-clockwise seen from outside.
    """

    vertices: Floats
    normals: Floats
    uv: Floats
    triangles: Indices

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Mesh:
        """Return the mesh shifted by (x, y, z) metres."""
        return replace(self, vertices=self.vertices + np.array((x, y, z)))

    def turned(self, axis: str, degrees: float) -> Mesh:
        """Return the mesh turned about the "x", "y" or "z" axis through the origin."""
        first, second = AXES[axis]
        angle = np.radians(degrees)
        matrix = np.eye(3)
        matrix[first, first] = matrix[second, second] = np.cos(angle)
        matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
        return replace(self, vertices=self.vertices @ matrix.T, normals=self.normals @ matrix.T)


@dataclass(frozen=True)
class Material:
    """How a surface answers light.

    Attributes
    ----------
    colour : tuple of three floats
        Diffuse reflectance, linear light, 0 to 1.
    gloss : float
        Strength of the specular highlight, 0 to 1.
    shininess : float
        Exponent of the Blinn highlight: the higher, the smaller the highlight.
    mirror : float
        Share of the surroundings reflected, 0 (none) to 1 (chrome).
    pattern : str
        Name of a texture tile (see ``demo.materials.PATTERNS``).
    contrast : float
        How strongly the tile lightens and darkens the colour.
    scale : float
        Enlargement of the tile; 1 spreads it over ``materials.TILE_METRES``.
    glow : float
        Light given off, in multiples of the colour.
    two_sided : bool
        Whether the inside is visible too (lampshades, blankets).
    """

    colour: Colour
    gloss: float = 0.05
    shininess: float = 12.0
    mirror: float = 0.0
    pattern: str = "plain"
    contrast: float = 0.0
    scale: float = 1.0
    glow: float = 0.0
    two_sided: bool = False


@dataclass(frozen=True, eq=False)
class Part:
    """A mesh of one material; ``framed`` says whether the camera must show all of it."""

    mesh: Mesh
    material: Material
    framed: bool = True


@dataclass(frozen=True, eq=False)
class Scene:
    """A piece of furniture and what the room must know about it.

    Attributes
    ----------
    parts : tuple of Part
        What is drawn.
    azimuth : tuple of two floats
        Range of camera angles off the front, degrees; the side is chosen at random.
    elevation : tuple of two floats
        Range of camera angles above the horizon, degrees.
    wall_gap : tuple of two floats
        Range of distances from the back of the furniture to the wall, metres.
    bulb : tuple of three floats or None
        Position of a lit lamp, metres.
    tabletop : bool
        Whether it stands on a table top rather than on a floor.
    """

    parts: tuple[Part, ...]
    azimuth: tuple[float, float] = (0.0, 45.0)
    elevation: tuple[float, float] = (12.0, 28.0)
    wall_gap: tuple[float, float] = (0.3, 1.5)
    bulb: Point | None = None
    tabletop: bool = False


def unit(vectors: Floats) -> Floats:
    """Scale vectors, shape (..., 3), to length one; a zero vector stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), dtype=np.float64)


def join(meshes: Sequence[Mesh]) -> Mesh:
    """Put several meshes into one."""
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate([m.triangles + s for m, s in zip(meshes, starts, strict=True)]),
    )


def sheet(points: Floats, normals: Floats | None = None, flip: bool = False) -> Mesh:
    """Span a surface over a grid of points.

    Parameters
    ----------
    points : ndarray of float64, shape (rows, columns, 3)
        Positions in metres.
    normals : ndarray of float64, shape (rows, columns, 3), optional
        Unit normals; found from the differences between neighbours when not given.
    flip : bool
        Turn the normals found to the other side.

    Returns
    -------
    Mesh
        Two triangles for each cell of the grid.
    """
    rows, columns = points.shape[:2]
    if normals is None:
        normals = unit(np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1)))
        normals = -normals if flip else normals
    along = np.linalg.norm(np.diff(points, axis=0), axis=2).mean(axis=1)
    across = np.linalg.norm(np.diff(points, axis=1), axis=2).mean(axis=0)
    u, v = np.meshgrid(
        np.concatenate(([0.0], np.cumsum(along))),
        np.concatenate(([0.0], np.cumsum(across))),
        indexing="ij",
    )
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    triangles = np.stack([np.stack([a, d, c], -1), np.stack([a, c, b], -1)]).reshape(-1, 3)
    mesh = Mesh(
        points.reshape(-1, 3),
        normals.reshape(-1, 3),
        np.stack([u.ravel(), v.ravel()], axis=1),
        triangles,
    )
    return _wound_outwards(mesh)


def _wound_outwards(mesh: Mesh) -> Mesh:
    corners = mesh.vertices[mesh.triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inward = np.einsum("ij,ij->i", facing, mesh.normals[mesh.triangles].sum(axis=1)) < 0
    triangles = np.where(inward[:, None], mesh.triangles[:, ::-1], mesh.triangles)
    return replace(mesh, triangles=triangles)
