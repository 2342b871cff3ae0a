"""Light the visible points of the furniture.

Arrays of points, directions and colours are component-first, shape (3, n), float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from demo import materials as m
from demo.backdrop import WARM, Tiles
from demo.room import Lighting
from demo.scene import Floats, Indices, Material, Values
from demo.shadow import Shadow

FLOOR_DARKENING = 0.35
HEADLIGHT = 0.24  # a weak light from the viewer keeps shaded sides readable


@dataclass(frozen=True, eq=False)
class Surface:
    """The visible points of the furniture, one a covered pixel.

    Attributes
    ----------
    at, normal, view : ndarray of float32, shape (3, n)
        Positions in metres, unit directions outwards and to the viewer.
    uv : ndarray of float32, shape (2, n)
        Texture coordinates, metres.
    material : ndarray of int64, shape (n,)
        Number of the material.
    """

    at: Values
    normal: Values
    view: Values
    uv: Values
    material: Indices


@dataclass(frozen=True, eq=False)
class Palette:
    """The materials of a scene as tables.

    Attributes
    ----------
    table : ndarray of float32, shape (9, k)
        Red, green, blue, contrast, texels per metre, gloss, shininess, mirror and glow of
        each of k materials.
    page : ndarray of int32, shape (k,)
        Where a material's tile starts in the atlas.
    atlas : ndarray of float32
        All tiles, one after the other.
    """

    table: Values
    page: npt.NDArray[np.int32]
    atlas: Values


def palette(materials: tuple[Material, ...], tiles: Tiles) -> Palette:
    """Put materials and the tiles they use into tables."""
    density = m.TILE_TEXELS / m.TILE_METRES
    rows = [
        (*a.colour, a.contrast, density / a.scale, a.gloss, a.shininess, a.mirror, a.glow)
        for a in materials
    ]
    names = list(tiles)
    page = [names.index(a.pattern) * m.TILE_TEXELS**2 for a in materials]
    atlas = np.concatenate([tile.ravel() for tile in tiles.values()])
    table = np.ascontiguousarray(np.array(rows, dtype=np.float32).T)
    return Palette(table, np.array(page, dtype=np.int32), atlas)


def dot(a: Values, b: Values) -> Values:
    """Scalar products of vectors, shapes (3, n) and (3, n) or (3, 1)."""
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


def normalized(vectors: Values) -> Values:
    """Scale vectors, shape (3, n), to length one."""
    return np.asarray(vectors / np.sqrt(np.maximum(dot(vectors, vectors), np.float32(1e-20))))


def _vector(values: Floats | Sequence[float]) -> Values:
    return np.asarray(values, dtype=np.float32)[:, None]


def shade(surface: Surface, colours: Palette, light: Lighting, shadow: Shadow) -> Values:
    """Find the light that visible points send to the viewer.

    Diffuse light follows Lambert, highlights follow Blinn 1977; the surroundings light a
    point by how far it faces up (hemisphere lighting), less so close to the floor.

    Parameters
    ----------
    surface : Surface
        The points.
    colours : Palette
        The materials that ``surface.material`` counts.
    light, shadow
        How the scene is lit.

    Returns
    -------
    ndarray of float32, shape (3, n)
        Linear light.
    """
    normal, view, toward = surface.normal, surface.view, _vector(light.toward)
    gloss, shininess, mirror, glow = colours.table[5:, surface.material]
    albedo = _albedo(surface, colours)
    open_ = 1 - shadow.on_furniture(surface.at, normal)
    facing = np.maximum(dot(normal, toward), 0) * open_
    upward = np.float32(0.5) + np.float32(0.5) * normal[1]
    sky, ground, key = _vector(light.sky), _vector(light.ground), _vector(light.key)
    ambient = ground + (sky - ground) * upward
    ambient += sky * (np.float32(HEADLIGHT) * np.maximum(dot(normal, view), 0))
    ambient *= _near_floor(surface.at[1], light.floor_reach)
    shine = np.maximum(dot(normal, normalized(toward + view)), 0) ** shininess
    colour = albedo * ((key * facing + ambient) * (1 - np.float32(0.6) * mirror))
    colour += key * (gloss * shine * open_)
    shiny = np.flatnonzero(mirror)
    if len(shiny):
        seen = _reflected(normal[:, shiny], view[:, shiny])
        colour[:, shiny] += albedo[:, shiny] * (mirror[shiny] * seen)
    if light.bulb is not None:
        colour += albedo * _bulb_glow(surface, light.bulb, light.bulb_reach, glow)
    elif glow.any():
        colour += albedo * glow
    return np.asarray(colour)


def _albedo(surface: Surface, colours: Palette) -> Values:
    red, green, blue, contrast, density = colours.table[:5, surface.material]
    column, row = (surface.uv * density).astype(np.int32) & (m.TILE_TEXELS - 1)
    tone = colours.atlas[colours.page[surface.material] + row * m.TILE_TEXELS + column]
    tone = np.maximum(1 + contrast * tone, np.float32(0.05))
    return np.stack([red * tone, green * tone, blue * tone])


def _near_floor(height: Values, reach: float) -> Values:
    """Share of the surrounding light left at a height above the floor, shape (n,)."""
    near = np.exp(-np.maximum(height, 0) / np.float32(reach))
    return np.asarray(1 - np.float32(FLOOR_DARKENING) * near)


def _reflected(normal: Values, view: Values) -> Values:
    """A made-up room for metal to mirror: dark floor, bright ceiling and windows, shape (n,)."""
    mirrored = 2 * dot(normal, view) * normal - view
    rise = np.clip(mirrored[1] * np.float32(1.6) + np.float32(0.5), 0, 1)
    windows = np.cos(3 * np.arctan2(mirrored[0], mirrored[2]) + np.float32(0.7))
    windows = np.clip(6 * windows - np.float32(4.2), 0, 1)
    return np.asarray(0.25 + 0.8 * rise * rise + 0.9 * windows * rise, dtype=np.float32)


def _bulb_glow(surface: Surface, bulb: Floats, reach: float, glow: Values) -> Values:
    """Light of the scene's own bulb: through a shade that glows, and onto the rest."""
    away = _vector(bulb) - surface.at
    far = dot(away, away)
    through = glow * (0.55 + 0.6 * np.exp(-far / np.float32(reach * reach)))
    cosine = np.maximum(dot(surface.normal, away), 0) / np.sqrt(far + np.float32(1e-6))
    onto = np.where(glow > 0, 0, np.minimum(0.02 * cosine / (far + 0.02), 0.8))
    warm = _vector(WARM)
    return np.asarray(through * (0.6 + 0.4 * warm) + onto * warm, dtype=np.float32)
