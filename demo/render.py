"""Turn a scene into a picture: visibility, shading, shadows and the room behind.

The furniture is rasterised at twice the size of the picture into a z-buffer of triangle
numbers, then every covered pixel is shaded once from its triangle (a visibility buffer,
Burns and Hunt 2013) and the whole is averaged down over the room.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from demo import materials as m
from demo.backdrop import Tiles, paint_room
from demo.camera import Camera, aim
from demo.raster import Cover, cover, edges, planes
from demo.room import Lighting, furnish_room
from demo.scene import Floats, Indices, Material, Scene, Values, join
from demo.shading import Surface, dot, normalized, palette, shade
from demo.shadow import Shadow, blurred, cast

OVERSAMPLING = 2
ROOM_PATTERNS = {"planks": "wood", "board": "wood", "tiles": "leather", "carpet": "weave"}
PIECE = 8_192  # pixels shaded at a time: more would not stay in the processor's cache
FLOOR_REACH = 0.11  # of the furniture's height
BULB_REACH = 0.17  # metres
CREVICE_RADIUS = 0.014  # of the picture's side
CREVICE_DEPTH = 0.05  # of the furniture's distance
CREVICE_STRENGTH = 4.2
CREVICE_LIMIT = 0.3
TONE_LEVELS = 4096
TONE_RANGE = 2.5
SHOULDER = 0.72


@dataclass(frozen=True, eq=False)
class _Model:
    """All parts of a scene in one mesh; ``owner`` is each triangle's material number."""

    vertices: Floats
    normals: Floats
    uv: Floats
    triangles: Indices
    owner: Indices
    materials: tuple[Material, ...]
    two_sided: npt.NDArray[np.bool_]
    framed: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Layer:
    """The furniture alone: linear light times cover, shape (3, n), and the cover itself."""

    colour: Values
    share: Values


def render(scene: Scene, rng: np.random.Generator, size: int) -> Image.Image:
    """Render a scene from a viewpoint, in a room and a light chosen by ``rng``.

    Parameters
    ----------
    scene : Scene
        The furniture.
    rng : numpy.random.Generator
        Chooses all that the scene leaves open.
    size : int
        Side of the picture, pixels.

    Returns
    -------
    PIL.Image.Image
        RGB, ``size`` x ``size``.
    """
    model = _assemble(scene)
    camera = aim(scene, rng)
    light = _lighting(scene, model, camera, rng)
    room = furnish_room(scene, rng)
    names = {material.pattern for material in model.materials}
    names |= {ROOM_PATTERNS.get(room.flooring, "plain")} | ({"weave"} if room.rug else set())
    tiles = {name: m.tile(name, rng) for name in sorted(names)}
    casting = model.triangles[model.framed]
    shadow = cast(model.vertices, casting, model.two_sided[model.framed], light.toward)

    layer = _draw_furniture(model, camera, light, shadow, tiles, size)
    bare = np.flatnonzero(layer.share < 1)
    for piece in _pieces(len(bare)):
        seen = bare[piece]
        behind = paint_room(room, light, shadow, tiles, camera, seen, size)
        layer.colour[:, seen] += behind * (1 - layer.share[seen])
    return Image.fromarray(_developed(layer.colour).reshape(size, size, 3))


def _pieces(count: int) -> Iterator[slice]:
    return (slice(start, start + PIECE) for start in range(0, count, PIECE))


def _draw_furniture(
    model: _Model, camera: Camera, light: Lighting, shadow: Shadow, tiles: Tiles, size: int
) -> _Layer:
    side = size * OVERSAMPLING
    xy, depth = camera.project(model.vertices)
    seen = cover(xy * side, 1 / depth, model.triangles, model.two_sided, (side, side))
    cell = (seen.pixel // side // OVERSAMPLING) * size + seen.pixel % side // OVERSAMPLING
    share = np.bincount(cell, minlength=size * size) / OVERSAMPLING**2
    open_share = 1 - _crevices(1 / seen.nearness, cell, share, size)
    colours, table = palette(model.materials, tiles), _interpolation(model, xy * side, depth)
    light_sent = np.empty((3, len(cell)), dtype=np.float32)
    for piece in _pieces(len(cell)):
        part = Cover(seen.pixel[piece], seen.owner[piece], seen.nearness[piece])
        surface = _surface(model, table, camera, part, side)
        sent = shade(surface, colours, light, shadow) * open_share[cell[piece]]
        light_sent[:, piece] = np.minimum(sent, TONE_RANGE)  # a highlight must not bleed
    channels = [np.bincount(cell, channel, size * size) for channel in light_sent]
    colour = np.array(channels, dtype=np.float32) / np.float32(OVERSAMPLING**2)
    return _Layer(colour, share.astype(np.float32))


def _assemble(scene: Scene) -> _Model:
    whole = join([part.mesh for part in scene.parts])
    counts = [len(part.mesh.triangles) for part in scene.parts]
    # Shift the texture from part to part, so that equal parts do not look stamped.
    shift = [np.full((len(p.mesh.uv), 2), 0.377 * i) for i, p in enumerate(scene.parts)]
    return _Model(
        whole.vertices,
        whole.normals,
        whole.uv + np.concatenate(shift),
        whole.triangles,
        np.repeat(np.arange(len(counts)), counts),
        tuple(part.material for part in scene.parts),
        np.repeat([part.material.two_sided for part in scene.parts], counts),
        np.repeat([part.framed for part in scene.parts], counts),
    )


def _lighting(scene: Scene, model: _Model, camera: Camera, rng: np.random.Generator) -> Lighting:
    forward = camera.axes[2]
    facing = np.arctan2(-forward[0], -forward[2])
    azimuth = facing + np.radians(rng.uniform(20, 65) * rng.choice([-1, 1]))
    azimuth = np.clip(azimuth, -1.1, 1.1)  # the lamp stays in front of the wall
    elevation = np.radians(rng.uniform(38, 60))
    flat = np.cos(elevation)
    toward = np.array((flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)))
    warmth = float(rng.uniform(-0.06, 0.12))
    tint = np.array((1 + warmth, 1.0, 1 - 1.3 * warmth))
    dimmed = 0.75 if scene.bulb is not None else 1.0  # or the lit lamp would not show
    strength = float(rng.uniform(0.82, 1.06)) * dimmed
    sky = float(rng.uniform(0.42, 0.54)) * dimmed * np.array((0.97, 1.0, 1.04))
    bulb = None if scene.bulb is None else np.array(scene.bulb)
    height = float(np.ptp(model.vertices[model.triangles[model.framed].ravel(), 1]))
    reach = BULB_REACH if height > BULB_REACH * 4 else height / 4
    return Lighting(
        toward, strength * tint, sky, 0.6 * sky * tint, bulb, FLOOR_REACH * height, reach
    )


def _interpolation(model: _Model, xy: Floats, depth: Floats) -> Values:
    """Normals and texture coordinates as functions of the pixel, shape (3 * 5, triangles)."""
    values = np.concatenate([model.normals, model.uv], axis=1) / depth[:, None]
    # Dividing by the depth makes the values linear on the picture (Heckbert 1989).
    linear = planes(edges(xy, model.triangles), values[model.triangles])
    return np.ascontiguousarray(linear.reshape(len(linear), -1).T, dtype=np.float32)


def _surface(model: _Model, table: Values, camera: Camera, seen: Cover, side: int) -> Surface:
    """Interpolate the mesh at covered pixels."""
    column, row = seen.pixel % side, seen.pixel // side
    x, y = (column + 0.5).astype(np.float32), (row + 0.5).astype(np.float32)
    far = (1.0 / seen.nearness).astype(np.float32)
    found = np.empty((5, len(x)), dtype=np.float32)
    for i in range(5):
        a, b, c = table[i, seen.owner], table[5 + i, seen.owner], table[10 + i, seen.owner]
        found[i] = (a * x + b * y + c) * far
    rays = camera.rays(column, row, side)
    view = -normalized(rays)
    normal = normalized(found[:3])
    normal *= np.where(dot(normal, view) < 0, np.float32(-1), np.float32(1))
    at = camera.eye.astype(np.float32)[:, None] + far * rays
    return Surface(at, normal, view, found[3:], model.owner[seen.owner])


def _crevices(depth: Floats, cell: Indices, share: Floats, size: int) -> Values:
    """Darkening behind nearer neighbours (depth unsharp mask, Luft 2006), shape (size**2,)."""
    mean = np.bincount(cell, depth, size * size) / np.maximum(share * OVERSAMPLING**2, 1)
    flat = np.where(share > 0, mean, depth.max()).astype(np.float32)
    near = blurred(flat.reshape(size, size), max(int(CREVICE_RADIUS * size), 1)).ravel()
    behind = np.maximum(flat - near, 0) / np.float32(CREVICE_DEPTH * depth.mean())
    # Far behind is another object, not a crevice: let the darkening fade out again.
    dark = np.float32(CREVICE_STRENGTH) * behind * np.exp(-4 * behind)
    return np.asarray(np.minimum(dark, CREVICE_LIMIT))


def _developed(image: Values) -> npt.NDArray[np.uint8]:
    """Turn linear light, shape (3, n), into sRGB bytes, (n, 3), highlights rolled off."""
    value = np.linspace(0.0, TONE_RANGE, TONE_LEVELS)
    over = np.maximum(value - SHOULDER, 0.0)
    rolled = np.minimum(value, SHOULDER) + (1 - SHOULDER) * (1 - np.exp(-over / (1 - SHOULDER)))
    srgb = np.where(rolled < 0.0031308, 12.92 * rolled, 1.055 * rolled ** (1 / 2.4) - 0.055)
    curve = np.round(255 * np.clip(srgb, 0.0, 1.0)).astype(np.uint8)
    level = np.clip(image * np.float32((TONE_LEVELS - 1) / TONE_RANGE), 0, TONE_LEVELS - 1)
    return np.ascontiguousarray(curve[level.astype(np.int32)].T)
