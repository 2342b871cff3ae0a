"""Paint the room behind the furniture, one point of floor or wall for each pixel.

Arrays of points and colours are component-first, shape (3, n): whole-array arithmetic runs
several times faster that way than on rows of three.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo import materials as m
from demo.camera import Camera
from demo.room import Lighting, Room, Rug
from demo.scene import Colour, Indices, Values
from demo.shadow import Shadow

Tiles = dict[str, Values]

SKIRTING = 0.09  # metres
DADO = 0.95  # metres
HORIZON = -1e-3  # flattest ray still taken to meet the floor
FAR = 60.0  # metres
SWEEP = 0.9  # metres of wall over which a studio's floor turns into it
WARM: Colour = (1.0, 0.66, 0.36)
BULB_POWER = 0.16


@dataclass(frozen=True, eq=False)
class _Plane:
    """Points of the floor or the wall, and the pixels' sizes there, shape (3, n), metres."""

    at: Values
    wide: Values


def _column(colour: Colour) -> Values:
    return np.array(colour, dtype=np.float32)[:, None]


def _mix(under: Values, over: Values | Colour, share: Values) -> Values:
    """Lay a colour over others by its share, shape (n,)."""
    top = _column(over) if isinstance(over, tuple) else over
    return np.asarray(under + (top - under) * share, dtype=np.float32)


def _inside(distance: Values, wide: Values) -> Values:
    """Share of a pixel within an edge, from the distance inwards and the pixel's size."""
    return np.asarray(np.clip(distance / wide + np.float32(0.5), 0, 1))


def _line(position: Values, period: float, width: float, wide: Values) -> Values:
    """Share of a pixel covered by lines that repeat every ``period`` metres."""
    phase = position / period + np.float32(0.5)
    away = np.abs(phase - np.floor(phase) - np.float32(0.5)) * np.float32(period)
    spread = np.maximum(wide, np.float32(width))
    return np.asarray(np.clip(1 - away / spread, 0, 1) * (width / spread), dtype=np.float32)


def _texture(tile: Values, u: Values, v: Values, wide: Values) -> Values:
    """Read a tile at (u, v) metres, fading out where its texels are finer than a pixel."""
    texels = np.float32(m.TILE_TEXELS / m.TILE_METRES)
    wrap = m.TILE_TEXELS - 1
    column = (u * texels).astype(np.int32) & wrap
    row = (v * texels).astype(np.int32) & wrap
    value = tile.ravel()[row * m.TILE_TEXELS + column]
    return np.asarray(value * np.minimum(2 / (wide * texels), 1))


def _meet(camera: Camera, rays: Values, axis: int, level: float, side: int) -> _Plane:
    """Find where rays meet the plane on which one coordinate is ``level``.

    The pixels' sizes are the ray differentials of Igehy 1999, written out for a plane.
    """
    eye = camera.eye.astype(np.float32)
    slope = np.minimum(rays[axis], np.float32(HORIZON))
    far = np.clip((np.float32(level) - eye[axis]) / slope, 0, FAR)
    wide = np.zeros_like(rays)
    for step in camera.axes[:2].astype(np.float32):
        wide += np.abs(step[:, None] - rays * (step[axis] / slope))
    wide *= far * np.float32(1.0 / (camera.focal * side))
    return _Plane(eye[:, None] + far * rays, np.maximum(wide, np.float32(1e-5)))


def _paint_floor(room: Room, tiles: Tiles, floor: _Plane) -> Values:
    order = (2, 0) if room.lengthwise else (0, 2)
    (x, z), (wide_x, wide_z) = floor.at[order, :], floor.wide[order, :]
    wide = np.maximum(wide_x, wide_z)
    tone = np.ones_like(x)
    if room.flooring == "planks":
        chance = np.abs(np.sin(np.floor(z / room.module) * 127.1 + 11.7) * 4375.85) % 1
        tone += np.float32(0.32) * (chance - 0.5) * np.minimum(room.module / wide_z, 1)
        tone += 0.2 * _texture(tiles["wood"], x + 7.3 * chance, 1.5 * z, wide_z)
        tone *= 1 - 0.6 * _line(z, room.module, 0.006, wide_z)
    elif room.flooring == "board":
        tone += 0.25 * _texture(tiles["wood"], 1.5 * x, 1.5 * z, wide)
    elif room.flooring == "tiles":
        tone += 0.06 * _texture(tiles["leather"], x, z, wide)
        tone *= 1 - 0.35 * _line(x, room.module, 0.008, wide_x)
        tone *= 1 - 0.35 * _line(z, room.module, 0.008, wide_z)
    elif room.flooring == "carpet":
        tone += 0.2 * _texture(tiles["weave"], 0.8 * x, 0.8 * z, wide)
    colour = _column(room.floor) * tone
    return colour if room.rug is None else _lay_rug(room.rug, tiles, colour, floor)


def _lay_rug(rug: Rug, tiles: Tiles, colour: Values, floor: _Plane) -> Values:
    x, z = np.abs(floor.at[0]), np.abs(floor.at[2])
    half_x, half_z = np.float32(rug.half[0]), np.float32(rug.half[1])
    if rug.round:
        inwards = (1 - np.hypot(x / half_x, z / half_z)) * min(half_x, half_z)
    else:
        inwards = np.minimum(half_x - x, half_z - z)
    wide = np.maximum(floor.wide[0], floor.wide[2])
    border = _inside(inwards - 0.06, wide) - _inside(inwards - 0.12, wide)
    pile = _mix(_column(rug.colour), rug.border, border)
    pile *= 1 + 0.22 * _texture(tiles["weave"], floor.at[0], floor.at[2], wide)
    rim = 1 - 0.35 * np.exp(-((inwards / 0.02) ** 2))  # the rug's edge has a thickness
    return np.asarray(_mix(colour, pile, _inside(inwards, wide)) * rim)


def _paint_wall(room: Room, wall: _Plane) -> Values:
    (x, y), (wide_x, wide_y) = wall.at[:2], wall.wide[:2]
    tone = np.ones_like(x)
    if room.papering == "stripes":
        tone -= 0.12 * _line(x, 0.2, 0.07, wide_x)
    elif room.papering == "panel":
        tone -= 0.3 * _line(y - DADO, 100.0, 0.012, wide_y)
        tone -= _inside(DADO - y, wide_y) * (0.1 + 0.25 * _line(x, 0.45, 0.01, wide_x))
    colour = _column(room.wall) * tone
    if room.frame is not None:
        colour = _hang_painting(room, room.frame, colour, wall)
    if room.skirting:
        colour = _mix(colour, (0.82, 0.82, 0.8), _inside(SKIRTING - y, wide_y))
        colour *= 1 - 0.35 * np.exp(-(((y - SKIRTING) / 0.012) ** 2))
    return np.asarray(colour)


def _hang_painting(
    room: Room, frame: tuple[float, float, float, float], colour: Values, wall: _Plane
) -> Values:
    x, y = wall.at[0] - np.float32(frame[0]), wall.at[1] - np.float32(frame[1])
    wide = np.maximum(wall.wide[0], wall.wide[1])
    inwards = np.minimum(frame[2] - np.abs(x), frame[3] - np.abs(y))
    outside = np.exp(np.minimum(inwards, 0) / 0.03) * (inwards < 0)
    hill = _inside(0.08 * np.sin(9 * x + frame[0] * 20) - y, wide)
    red, green, blue = room.floor
    scenery = _mix(_column((0.5, 0.62, 0.7)), (0.7 * red, 0.7 * green, 0.7 * blue), hill)
    colour = _mix(colour * (1 - 0.3 * outside), (0.05, 0.045, 0.04), _inside(inwards, wide))
    colour = _mix(colour, (0.85, 0.85, 0.83), _inside(inwards - 0.025, wide))
    return _mix(colour, scenery, _inside(inwards - 0.09, wide))


def _bulb_light(light: Lighting, at: Values, axis: int) -> Values:
    """Light of the scene's own bulb on a plane that faces along ``axis``, shape (3, n)."""
    if light.bulb is None:
        return np.zeros((3, 1), dtype=np.float32)
    away = light.bulb.astype(np.float32)[:, None] - at
    far = np.einsum("in,in->n", away, away) + np.float32(0.04)
    strength = np.float32(BULB_POWER) * np.abs(away[axis]) / (far * np.sqrt(far))
    return np.asarray(_column(WARM) * np.minimum(strength, 1.2))


def _lit_floor(room: Room, light: Lighting, shadow: Shadow, tiles: Tiles, floor: _Plane) -> Values:
    key, sky = light.key.astype(np.float32)[:, None], light.sky.astype(np.float32)[:, None]
    lit = key * (np.float32(light.toward[1]) * (1 - 0.85 * shadow.on_room(floor.at)))
    lit = (lit + sky) * (1 - 0.75 * shadow.on_floor(floor.at))
    return np.asarray(_paint_floor(room, tiles, floor) * (lit + _bulb_light(light, floor.at, 1)))


def _lit_wall(room: Room, light: Lighting, shadow: Shadow, wall: _Plane) -> Values:
    key, around = light.key[:, None], 0.6 * (light.sky + light.ground)[:, None]
    lit = key.astype(np.float32) * (
        max(np.float32(light.toward[2]), np.float32(0.0)) * (1 - 0.6 * shadow.on_room(wall.at))
    )
    lit += around.astype(np.float32)
    if not room.studio:
        lit *= 1 - 0.3 * np.exp(-np.maximum(wall.at[1], 0) / np.float32(0.25))
    return np.asarray(_paint_wall(room, wall) * (lit + _bulb_light(light, wall.at, 2)))


def paint_room(
    room: Room,
    light: Lighting,
    shadow: Shadow,
    tiles: Tiles,
    camera: Camera,
    pixels: Indices,
    side: int,
) -> Values:
    """Paint the room as the camera sees it.

    Parameters
    ----------
    room, light, shadow
        What is seen, and how it is lit.
    tiles : dict of str to ndarray of float32
        Texture tiles "wood", "weave" and "leather".
    camera : Camera
        The viewpoint.
    pixels : ndarray of int64, shape (n,)
        The pixels wanted, numbered row by row.
    side : int
        Pixels along a side of the picture.

    Returns
    -------
    ndarray of float32, shape (3, n)
        Linear light.
    """
    rays = camera.rays(pixels % side, pixels // side, side)
    wall = _meet(camera, rays, 2, room.wall_z, side)
    if room.studio:
        share = np.clip(wall.at[1] / np.float32(SWEEP), 0, 1)
        share = share * share * (3 - 2 * share)
    else:
        share = _inside(wall.at[1], wall.wide[1])
    colour = np.zeros_like(rays)
    down, up = np.flatnonzero(share < 1), np.flatnonzero(share > 0)
    if len(down):
        floor = _meet(camera, rays[:, down], 1, 0.0, side)
        colour[:, down] = _lit_floor(room, light, shadow, tiles, floor) * (1 - share[down])
    if len(up):
        seen = _Plane(wall.at[:, up], wall.wide[:, up])
        colour[:, up] += _lit_wall(room, light, shadow, seen) * share[up]
    return colour
