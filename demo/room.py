"""The room behind the furniture: a wall, a floor, at times a rug and a picture frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo import materials as m
from demo.scene import Colour, Floats, Scene

Generator = np.random.Generator

FLOORINGS = ("planks", "planks", "tiles", "carpet", "plain")
TABLE_TOPS = ("board", "plain")
PAPERINGS = ("paint", "paint", "paint", "stripes", "panel")


@dataclass(frozen=True)
class Rug:
    """A rug: its half sizes in metres, roundness, colour and border colour."""

    half: tuple[float, float]
    round: bool
    colour: Colour
    border: Colour


@dataclass(frozen=True)
class Room:
    """What the room looks like.

    Attributes
    ----------
    wall_z : float
        Position of the wall, metres.
    wall, floor : tuple of three floats
        Reflectances, linear light.
    flooring : str
        "planks", "tiles", "carpet", "plain" or "board".
    module : float
        Width of a plank or tile, metres.
    lengthwise : bool
        Whether planks run towards the wall.
    papering : str
        "paint", "stripes" or "panel".
    studio : bool
        Whether floor and wall pass into each other, as on a photographer's backdrop.
    rug : Rug or None
        What lies below the furniture.
    frame : tuple of four floats or None
        Middle (x, y) and half sizes of a picture on the wall, metres.
    skirting : bool
        Whether a board runs along the foot of the wall.
    """

    wall_z: float
    wall: Colour
    floor: Colour
    flooring: str
    module: float
    lengthwise: bool
    papering: str
    studio: bool
    rug: Rug | None
    frame: tuple[float, float, float, float] | None
    skirting: bool


@dataclass(frozen=True, eq=False)
class Lighting:
    """Light on the scene, linear: a lamp far away, and the sky and floor all around.

    Attributes
    ----------
    toward : ndarray of float64, shape (3,)
        Direction to the lamp.
    key, sky, ground : ndarray of float64, shape (3,)
        Strength of the lamp, of the light from above and of that from below.
    bulb : ndarray of float64, shape (3,), or None
        Position of a lit bulb in the scene, metres.
    floor_reach, bulb_reach : float
        How far the floor darkens what stands on it, and how far from the bulb a shade glows
        most, metres.
    """

    toward: Floats
    key: Floats
    sky: Floats
    ground: Floats
    bulb: Floats | None
    floor_reach: float
    bulb_reach: float


def _floor_colour(flooring: str, rng: Generator) -> Colour:
    if flooring in ("planks", "board"):
        return m.wood(rng).colour
    value = float(rng.uniform(0.55, 0.92))
    return m.from_hsv(float(rng.uniform(0.05, 0.14)), float(rng.uniform(0.0, 0.2)), value)


def _rug(extent: Floats, rng: Generator) -> Rug:
    across, along = extent[[0, 2]] / 2 + rng.uniform(0.12, 0.5, 2)
    hue, depth = m.hue(rng), float(rng.uniform(0.08, 0.35))
    colour = m.from_hsv(hue, depth, float(rng.uniform(0.5, 0.9)))
    border = m.from_hsv(hue + 0.08, depth, float(rng.uniform(0.25, 0.9)))
    return Rug((float(across), float(along)), bool(rng.random() < 0.3), colour, border)


def _frame(top: float, rng: Generator) -> tuple[float, float, float, float]:
    across, up = float(rng.uniform(0.2, 0.45)), float(rng.uniform(0.2, 0.4))
    aside = float(rng.uniform(0.0, 1.0) * rng.choice([-1, 1]))
    return aside, max(top + up + 0.12, 1.3), across, up


def furnish_room(scene: Scene, rng: Generator) -> Room:
    """Choose a room for a scene.

    Parameters
    ----------
    scene : Scene
        The furniture.
    rng : numpy.random.Generator
        Makes the choices.

    Returns
    -------
    Room
        The wall stands behind the furniture by the scene's ``wall_gap``.
    """
    points = np.concatenate([part.mesh.vertices for part in scene.parts if part.framed])
    low, high = points.min(axis=0), points.max(axis=0)
    studio = bool(rng.random() < 0.25)
    hue = rng.uniform(0.06, 0.13) if rng.random() < 0.6 else rng.random()
    wall = m.from_hsv(float(hue), float(rng.uniform(0.02, 0.2)), float(rng.uniform(0.8, 0.98)))
    flooring = str(rng.choice(TABLE_TOPS if scene.tabletop else FLOORINGS))
    dressed = not studio and not scene.tabletop
    return Room(
        wall_z=float(low[2] - rng.uniform(*scene.wall_gap)),
        wall=wall,
        floor=wall if studio else _floor_colour(flooring, rng),
        flooring="plain" if studio else flooring,
        module=float(rng.uniform(0.1, 0.2) if flooring == "planks" else rng.uniform(0.3, 0.6)),
        lengthwise=bool(rng.random() < 0.5),
        papering="paint" if studio else str(rng.choice(PAPERINGS)),
        studio=studio,
        rug=_rug(high - low, rng) if dressed and rng.random() < 0.4 else None,
        frame=_frame(float(high[1]), rng) if dressed and rng.random() < 0.22 else None,
        skirting=dressed and bool(rng.random() < 0.6),
    )
