"""Builders of chairs and tables."""

from __future__ import annotations

import numpy as np

from demo import materials as m
from demo.scene import Material, Mesh, Part, Scene, join
from demo.solids import box, drum, lathe, rod, tube

Generator = np.random.Generator


def _hard(rng: Generator) -> Material:
    kind = rng.random()
    return m.wood(rng) if kind < 0.7 else m.metal(rng) if kind < 0.8 else m.paint(rng)


def _four(x: float, z: float, height: float, thick: float, splay: float, square: bool) -> Mesh:
    """Four legs whose tops stand at (+-x, +-z)."""
    legs = []
    for i in (-1, 1):
        for j in (-1, 1):
            if square:
                legs.append(box((thick, height, thick), (i * x, height / 2, j * z), 0.004))
            else:
                foot = (i * (x + splay), 0.0, j * (z + splay))
                legs.append(rod(foot, (i * x, height, j * z), thick * 0.32, thick * 0.55))
    return join(legs)


def _pad(rng: Generator) -> Material:
    return m.leather(rng) if rng.random() < 0.4 else m.fabric(rng)


def _back(rng: Generator, width: float, rise: float, style: str) -> Mesh:
    """A chair back standing on the origin, as wide as the seat."""
    x = width / 2 - 0.02
    bars = [rod((i * x, 0, 0), (i * x, rise, 0), 0.018, 0.014) for i in (-1, 1)]
    s = np.linspace(-1, 1, 9)
    bow = np.stack([s * x, np.full(9, rise - 0.03), -0.03 * (1 - s * s)], axis=-1)
    if style == "ladder":
        for y in np.linspace(0.25, 1.0, int(rng.integers(3, 5))):
            bars.append(box((2 * x, 0.055, 0.016), (0, y * rise - 0.03, 0), 0.006))
    elif style == "spindles":
        bars.append(tube(bow, 0.02))
        for k in np.linspace(-1, 1, int(rng.integers(5, 9)))[1:-1]:
            bars.append(rod((k * x, 0, 0), (k * x, rise - 0.03, -0.03 * (1 - k * k)), 0.008, 0.008))
    elif style == "panel":
        bars.append(box((2 * x + 0.03, rise * 0.5, 0.022), (0, rise * 0.74, 0), 0.01))
    else:
        bars = [box((width - 0.01, rise - 0.02, 0.06), (0, rise / 2, 0), 0.028)]
    return join(bars)


def _dining_chair(rng: Generator) -> list[Part]:
    width, depth = float(rng.uniform(0.42, 0.5)), float(rng.uniform(0.4, 0.48))
    seat, rise = float(rng.uniform(0.43, 0.48)), float(rng.uniform(0.4, 0.56))
    frame, square = _hard(rng), rng.random() < 0.4
    thick = float(rng.uniform(0.034, 0.048))
    splay = 0.0 if square else float(rng.uniform(0.0, 0.05))
    legs = _four(width / 2 - 0.04, depth / 2 - 0.04, seat, thick, splay, square)
    parts = [Part(legs, frame)]
    style = str(rng.choice(["ladder", "spindles", "panel", "padded"]))
    if style == "padded" or rng.random() < 0.45:
        cover = _pad(rng)
        parts.append(Part(box((width, 0.07, depth), (0, seat + 0.02, 0), 0.03, 0.015), cover))
    else:
        cover = frame
        parts.append(Part(box((width, 0.03, depth), (0, seat, 0), 0.012), frame))
    back = _back(rng, width, rise, style).turned("x", -float(rng.uniform(5, 13)))
    back = back.moved(y=seat, z=-depth / 2 + 0.03)
    parts.append(Part(back, cover if style == "padded" else frame))
    if rng.random() < 0.2:
        arms = []
        for i in (-1, 1):
            x = i * (width / 2 + 0.015)
            arms.append(
                rod((x, seat, depth / 2 - 0.08), (x, seat + 0.22, depth / 2 - 0.08), 0.014, 0.014)
            )
            arms.append(box((0.045, 0.025, depth), (x, seat + 0.23, -0.03), 0.01))
        parts.append(Part(join(arms), frame))
    return parts


def _office_chair(rng: Generator) -> list[Part]:
    frame = m.metal(rng) if rng.random() < 0.6 else Material((0.02, 0.02, 0.022), 0.35, 30.0)
    rubber, cover = Material((0.015, 0.015, 0.016), 0.3, 20.0), _pad(rng)
    seat, width = float(rng.uniform(0.46, 0.54)), float(rng.uniform(0.46, 0.54))
    star, wheels = [drum(0.03, 0.024, seat - 0.1).moved(y=0.08)], []
    turn = float(rng.uniform(0, 72))
    for spoke in range(5):
        angle = np.radians(turn + 72 * spoke)
        x, z = 0.29 * float(np.cos(angle)), 0.29 * float(np.sin(angle))
        star.append(rod((0, 0.115, 0), (x, 0.075, z), 0.026, 0.016))
        wheels.append(drum(0.03, 0.03, 0.045).turned("x", 90.0).moved(x, 0.03, z - 0.02))
    rise, high = float(rng.uniform(0.42, 0.66)), float(rng.uniform(0.05, 0.14))
    back = box((width - 0.05, rise, 0.075), (0, rise / 2 + high, 0), 0.035)
    spine = rod((0, -0.06, 0.12), (0, high + 0.12, -0.035), 0.02, 0.02)
    lean = -float(rng.uniform(4, 12))
    parts = [
        Part(join(star), frame),
        Part(join(wheels), rubber),
        Part(box((width, 0.09, width - 0.02), (0, seat, 0), 0.042, 0.015), cover),
        Part(back.turned("x", lean).moved(y=seat, z=-width / 2 + 0.02), cover),
        Part(spine.turned("x", lean).moved(y=seat, z=-width / 2 + 0.02), frame),
    ]
    if rng.random() < 0.7:
        arms = []
        for i in (-1, 1):
            x = i * (width / 2 + 0.03)
            arms.append(rod((i * 0.1, seat - 0.04, 0), (x, seat, 0), 0.014, 0.014))
            arms.append(rod((x, seat, 0), (x, seat + 0.2, -0.02), 0.014, 0.014))
            arms.append(box((0.06, 0.03, 0.26), (x, seat + 0.21, 0), 0.014))
        parts.append(Part(join(arms), rubber))
    spin = float(rng.uniform(-25, 25))
    return [Part(part.mesh.turned("y", spin), part.material) for part in parts]


def _stool(rng: Generator) -> list[Part]:
    seat, radius = float(rng.choice([0.46, 0.66, 0.75])), float(rng.uniform(0.16, 0.2))
    frame, cover = _hard(rng), _pad(rng) if rng.random() < 0.5 else _hard(rng)
    splay = float(rng.uniform(0.03, 0.09))
    x = radius * 0.55
    legs = [_four(x, x, seat, 0.036, splay, False)]
    angle = np.linspace(0, 2 * np.pi, 33)
    level = 0.3 * seat
    reach = (x + splay * 0.7) * 1.4142
    ring = np.stack([reach * np.cos(angle), np.full(33, level), reach * np.sin(angle)], axis=-1)
    legs.append(tube(ring, 0.01))
    profile = [(0.0, 0.0), (radius * 0.97, 0.0), (radius, 0.015), (radius, 0.03)]
    profile += [(radius * 0.96, 0.045), (radius * 0.6, 0.052), (0.0, 0.052)]
    parts = [Part(join(legs), frame), Part(lathe(profile).moved(y=seat - 0.01), cover)]
    if rng.random() < 0.75:
        rise = float(rng.uniform(0.22, 0.34))
        arc = np.radians(np.linspace(-60, 60, 13))
        path = np.stack(
            [radius * np.sin(arc), np.full(13, seat + rise), -radius * np.cos(arc)], axis=-1
        )
        bars = [tube(path, 0.022)]
        for k in (1, 4, 8, 11):
            px, _, pz = path[k]
            bars.append(rod((px * 0.9, seat, pz * 0.9), (px, seat + rise, pz), 0.011, 0.011))
        parts.append(Part(join(bars), frame))
    return parts


def chair(rng: Generator) -> Scene:
    """Build a dining chair, an office chair on castors or a stool."""
    kind = rng.random()
    parts = (
        _dining_chair(rng) if kind < 0.55 else _office_chair(rng) if kind < 0.83 else _stool(rng)
    )
    return Scene(tuple(parts), azimuth=(12.0, 50.0), elevation=(10.0, 24.0))


def _props(rng: Generator, top: float, reach: float) -> list[Part]:
    """A vase, a bowl or some books on a table top."""
    kind, x, z = rng.integers(0, 3), *rng.uniform(-reach, reach, 2)
    if kind == 0:
        vase = lathe(
            [(0.0, 0), (0.045, 0), (0.075, 0.07), (0.06, 0.15), (0.028, 0.2), (0.036, 0.23)]
        )
        return [Part(vase.moved(x, top, z), m.paint(rng))]
    if kind == 1:
        bowl = lathe(
            [
                (0.0, 0),
                (0.06, 0.0),
                (0.12, 0.04),
                (0.15, 0.08),
                (0.14, 0.08),
                (0.1, 0.04),
                (0, 0.02),
            ]
        )
        return [Part(bowl.moved(x, top, z), m.paint(rng))]
    books = []
    for level in range(int(rng.integers(2, 4))):
        book = box((0.24 - 0.02 * level, 0.03, 0.17), (0, 0.015 + 0.03 * level, 0))
        books.append(
            Part(book.turned("y", float(rng.uniform(-20, 20))).moved(x, top, z), m.paint(rng))
        )
    return books


def _round_table(rng: Generator, radius: float, height: float, thick: float) -> list[Part]:
    top = _hard(rng)
    plate = join(
        [
            drum(radius, radius, thick * 0.6),
            drum(radius, radius - 0.008, thick * 0.4).moved(y=thick * 0.6),
        ]
    )
    parts = [Part(plate.moved(y=height - thick), top)]
    base = top if rng.random() < 0.5 else _hard(rng)
    if rng.random() < 0.55:
        foot = radius * float(rng.uniform(0.45, 0.65))
        column = [(foot, 0.0), (foot, 0.02), (foot * 0.5, 0.05), (0.06, 0.1), (0.045, 0.2)]
        column += [(0.04, height * 0.6), (0.06, height - thick - 0.03), (0.12, height - thick)]
        parts.append(Part(lathe(column), base))
    else:
        spread = radius * 0.55
        parts.append(Part(_four(spread, spread, height - thick, 0.06, radius * 0.12, False), base))
    return parts


def _square_table(
    rng: Generator, width: float, depth: float, height: float, thick: float
) -> list[Part]:
    top = _hard(rng)
    base = top if rng.random() < 0.6 else _hard(rng)
    parts = [Part(box((width, thick, depth), (0, height - thick / 2, 0), 0.008), top)]
    inset, leg = float(rng.uniform(0.03, 0.12)), float(rng.uniform(0.045, 0.085))
    x, z, under = width / 2 - inset, depth / 2 - inset, height - thick
    square = rng.random() < 0.6
    if rng.random() < 0.75:
        parts.append(Part(_four(x, z, under, leg, 0.0 if square else 0.05, square), base))
        if rng.random() < 0.7:
            rails = [box((2 * x, 0.08, 0.022), (0, under - 0.04, j * z)) for j in (-1, 1)]
            rails += [box((0.022, 0.08, 2 * z), (i * x, under - 0.04, 0)) for i in (-1, 1)]
            parts.append(Part(join(rails), base))
    else:
        frames = []
        for i in (-1, 1):
            frames += [
                rod((i * x, 0, j * z), (i * x * 0.9, under, -j * z * 0.35), 0.024, 0.024)
                for j in (-1, 1)
            ]
        frames.append(rod((-x * 0.95, under / 2, 0), (x * 0.95, under / 2, 0), 0.02, 0.02))
        parts.append(Part(join(frames), base))
    if height < 0.5 and square and rng.random() < 0.5:
        parts.append(Part(box((2 * x, 0.02, 2 * z), (0, 0.13, 0)), base))
    return parts


def table(rng: Generator) -> Scene:
    """Build a dining, coffee or side table, rectangular, square or round."""
    use = str(rng.choice(["dining", "dining", "coffee", "side"]))
    height = {"dining": 0.74, "coffee": 0.42, "side": 0.55}[use] * float(rng.uniform(0.95, 1.06))
    thick = float(rng.uniform(0.025, 0.05))
    if rng.random() < 0.35:
        radius = {"dining": 0.56, "coffee": 0.42, "side": 0.27}[use] * float(
            rng.uniform(0.88, 1.15)
        )
        parts, reach = _round_table(rng, radius, height, thick), radius * 0.4
    else:
        width = {"dining": 1.5, "coffee": 1.05, "side": 0.48}[use] * float(rng.uniform(0.85, 1.2))
        depth = {"dining": 0.85, "coffee": 0.58, "side": 0.45}[use] * float(rng.uniform(0.9, 1.1))
        parts, reach = _square_table(rng, width, depth, height, thick), depth * 0.3
    if rng.random() < 0.35:
        parts += _props(rng, height, reach)
    return Scene(tuple(parts), azimuth=(8.0, 42.0), elevation=(14.0, 30.0), wall_gap=(0.4, 1.6))
