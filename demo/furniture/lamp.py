"""Builders of lamps: on the floor, on a table and hanging."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from demo import materials as m
from demo.scene import Material, Mesh, Part, Scene, join
from demo.solids import disc, drum, lathe, rod, tube

Generator = np.random.Generator

CORD = Material((0.02, 0.02, 0.02))
PENDANT_HEIGHT = 1.75


def _shade_cloth(rng: Generator) -> Material:
    """Choose the lit cloth of a shade: mostly cream, at times coloured."""
    if rng.random() < 0.65:
        colour = m.from_hsv(float(rng.uniform(0.08, 0.13)), float(rng.uniform(0.08, 0.35)), 0.95)
    else:
        colour = m.from_hsv(m.hue(rng), float(rng.uniform(0.15, 0.38)), 0.86)
    glow = float(rng.uniform(0.35, 0.8))
    return Material(colour, 0.0, 6.0, 0.0, "weave", 0.06, glow=glow, two_sided=True)


def _shade(bottom: float, top: float, height: float) -> Mesh:
    """An open shade standing on y = 0 with a thin rim at both ends."""
    wall = drum(bottom, top, height, caps=False)
    angle = np.linspace(0, 2 * np.pi, 33)
    ring = np.stack([np.cos(angle), np.zeros(33), np.sin(angle)], axis=-1)
    rims = [tube(ring * bottom, 0.004, 6), tube(ring * top, 0.004, 6).moved(y=height)]
    top_cover = disc(top, 0.98 * height, True)  # keeps daylight from shining through
    return join([wall, top_cover, *rims])


def _shade_sizes(rng: Generator, scale: float) -> tuple[float, float, float]:
    bottom = scale * float(rng.uniform(0.85, 1.15))
    top = bottom * float(rng.choice([0.95, 0.75, 0.55, 0.4]))
    return bottom, top, scale * float(rng.uniform(1.0, 1.5))


def _bulb(y: float) -> Part:
    light = Material((1.0, 0.85, 0.6), glow=2.5)
    return Part(
        lathe([(0, -0.04), (0.025, -0.03), (0.035, 0), (0.025, 0.03), (0, 0.04)]).moved(y=y), light
    )


def _floor_lamp(rng: Generator) -> Scene:
    height = float(rng.uniform(1.3, 1.65))
    stand = m.metal(rng) if rng.random() < 0.6 else m.wood(rng)
    bottom, top, tall = _shade_sizes(rng, float(rng.uniform(0.19, 0.26)))
    if rng.random() < 0.4:
        legs = []
        for k in range(3):
            angle = np.radians(30 + 120 * k)
            x, z = 0.32 * float(np.cos(angle)), 0.32 * float(np.sin(angle))
            legs.append(rod((x, 0, z), (x * 0.06, height - 0.03, z * 0.06), 0.014, 0.018))
        body = join(legs)
    else:
        foot = float(rng.uniform(0.13, 0.18))
        base = lathe([(foot, 0), (foot, 0.02), (foot * 0.9, 0.032), (0.02, 0.04), (0.0, 0.04)])
        body = join([base, rod((0, 0.03, 0), (0, height, 0), 0.013, 0.011)])
    shade = _shade(bottom, top, tall).moved(y=height - tall * 0.4)
    parts = (Part(body, stand), Part(shade, _shade_cloth(rng)), _bulb(height))
    return Scene(parts, (0, 40), (4, 14), (0.35, 0.9), (0.0, height, 0.0))


def _arc_lamp(rng: Generator) -> Scene:
    height, reach = float(rng.uniform(1.5, 1.75)), float(rng.uniform(0.7, 0.95))
    angle = np.linspace(0, np.pi * 0.93, 26)
    rise = height - 0.55
    arc = np.stack(
        [0.5 * reach * (1 - np.cos(angle)), rise + 0.55 * np.sin(angle), 0 * angle], axis=-1
    )
    path = np.concatenate([[[0.0, 0.03, 0.0]], arc])
    end = path[-1]
    dome = [(0.17, 0.0), (0.165, 0.05), (0.135, 0.11), (0.08, 0.15), (0.02, 0.165), (0, 0.165)]
    metal = m.metal(rng)
    shade = replace(metal if rng.random() < 0.6 else m.paint(rng), two_sided=True)
    body = join([drum(0.17, 0.16, 0.05), tube(path, 0.014)]).moved(x=-reach / 2)
    x, y = float(end[0]) - reach / 2, float(end[1]) - 0.16
    parts = (
        Part(body, metal),
        Part(lathe(dome).moved(x, y, 0), shade),
        Part(_bulb(y + 0.04).mesh.moved(x=x), _bulb(0).material),
    )
    return Scene(parts, (0, 30), (4, 14), (0.4, 1.0), (x, y, 0.0))


def _table_lamp(rng: Generator) -> Scene:
    scale = float(rng.uniform(0.1, 0.15))
    height = float(rng.uniform(0.24, 0.36))
    widths = {
        "urn": (0.5, 0.55, 0.95, 1.0, 0.7, 0.3, 0.22),
        "gourd": (0.6, 0.85, 0.9, 0.45, 0.62, 0.4, 0.2),
        "column": (0.75, 0.72, 0.25, 0.22, 0.22, 0.25, 0.2),
        "ball": (0.35, 0.75, 1.0, 1.0, 0.75, 0.3, 0.15),
        "bottle": (0.7, 0.72, 0.72, 0.7, 0.45, 0.2, 0.15),
    }
    widest = float(rng.uniform(0.07, 0.1))
    profile = np.array(widths[str(rng.choice(list(widths)))]) * widest
    smooth = np.linspace(0, 6, 25)
    radius = np.interp(smooth, np.arange(7), profile)
    radius = np.convolve(np.pad(radius, 2, mode="edge"), np.full(5, 0.2), mode="valid")
    level = smooth / 6 * height
    body = lathe([(0.0, 0.0), *zip(radius.tolist(), level.tolist(), strict=True)])
    kind = rng.random()
    skin = m.paint(rng) if kind < 0.55 else m.wood(rng) if kind < 0.75 else m.metal(rng)
    bottom, top, tall = _shade_sizes(rng, scale)
    neck = rod((0, height - 0.01, 0), (0, height + 0.06, 0), 0.01, 0.01)
    shade = _shade(bottom, top, tall).moved(y=height + 0.02)
    middle = height + 0.02 + tall / 2
    parts = (
        Part(body, skin),
        Part(neck, m.metal(rng)),
        Part(shade, _shade_cloth(rng)),
        _bulb(middle - 0.02),
    )
    return Scene(parts, (0, 40), (5, 16), (0.15, 0.4), (0.0, middle, 0.0), tabletop=True)


def _desk_lamp(rng: Generator) -> Scene:
    finish = m.metal(rng) if rng.random() < 0.5 else m.paint(rng)
    lower, upper = float(rng.uniform(0.24, 0.3)), float(rng.uniform(0.22, 0.28))
    tilt, bend = np.radians(rng.uniform(15, 30)), np.radians(rng.uniform(40, 60))
    elbow = (-lower * float(np.sin(tilt)), 0.02 + lower * float(np.cos(tilt)), 0.0)
    tip = (elbow[0] + upper * float(np.sin(bend)), elbow[1] + upper * float(np.cos(bend)), 0.0)
    body = [drum(0.09, 0.085, 0.025), rod((0, 0.02, 0), elbow, 0.009, 0.009)]
    body += [
        rod(elbow, tip, 0.009, 0.009),
        drum(0.016, 0.016, 0.04).turned("x", 90).moved(*elbow).moved(z=-0.02),
    ]
    cone = [(0.085, -0.1), (0.08, -0.07), (0.045, 0.0), (0.03, 0.04), (0.0, 0.045)]
    head = lathe(cone).turned("z", float(rng.uniform(10, 40))).moved(*tip)
    bulb = Part(_bulb(0.0).mesh.moved(tip[0] + 0.02, tip[1] - 0.06), _bulb(0.0).material)
    spin = float(rng.uniform(-30, 30)) + float(rng.choice([0, 180]))
    parts = [Part(join(body), m.metal(rng)), Part(head, replace(finish, two_sided=True)), bulb]
    turned = tuple(Part(part.mesh.turned("y", spin), part.material) for part in parts)
    return Scene(turned, (0, 30), (8, 20), (0.2, 0.5), None, tabletop=True)


def _pendant(rng: Generator) -> Scene:
    y, style = PENDANT_HEIGHT, str(rng.choice(["dome", "cone", "globe", "drum"]))
    if style == "globe":
        radius = float(rng.uniform(0.13, 0.2))
        turn = np.linspace(-np.pi / 2, np.pi / 2, 17)
        shade = lathe([(radius * float(np.cos(a)), radius * float(np.sin(a))) for a in turn]).moved(
            y=radius
        )
        skin, tall = replace(_shade_cloth(rng), pattern="plain"), 2 * radius
    elif style == "drum":
        bottom, top, tall = _shade_sizes(rng, 0.2)
        shade, skin = _shade(bottom, top, tall), _shade_cloth(rng)
    else:
        wide, tall = float(rng.uniform(0.18, 0.26)), float(rng.uniform(0.18, 0.28))
        bend = 2.2 if style == "dome" else 1.0
        rise = np.sin(np.linspace(0, np.pi / 2, 15))
        outline = wide * np.maximum(1 - rise**bend, 0.0) ** (1 / bend) * 0.9 + 0.1 * wide * (
            1 - rise
        )
        shade = lathe(
            [(float(r) + 0.012, float(h) * tall) for r, h in zip(outline, rise, strict=True)]
        )
        skin = replace(m.paint(rng) if rng.random() < 0.5 else m.metal(rng), two_sided=True)
    cap = drum(0.025, 0.012, 0.06).moved(y=y + tall - 0.01)
    cord = rod((0, y + tall, 0), (0, y + tall + 3.0, 0), 0.006, 0.006)
    marker = rod((0, y + tall, 0), (0, y + tall + 0.3, 0), 0.006, 0.006)
    parts = [Part(shade.moved(y=y), skin), Part(cap, m.metal(rng)), Part(cord, CORD, framed=False)]
    parts += [Part(marker, CORD), _bulb(y + 0.3 * tall)]
    return Scene(tuple(parts), (0, 30), (-12, 6), (0.5, 1.2), (0.0, y + tall * 0.3, 0.0))


def lamp(rng: Generator) -> Scene:
    """Build a floor, arc, table, desk or pendant lamp."""
    makers: tuple[Callable[[Generator], Scene], ...] = (
        *(_table_lamp,) * 3,
        *(_floor_lamp,) * 2,
        *(_pendant,) * 2,
        _desk_lamp,
        _arc_lamp,
    )
    return makers[int(rng.integers(len(makers)))](rng)
