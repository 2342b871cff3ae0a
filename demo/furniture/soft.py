"""Builders of upholstered furniture: beds and sofas."""

from __future__ import annotations

import numpy as np

from demo import materials as m
from demo.scene import Floats, Material, Mesh, Part, Scene, join, sheet
from demo.solids import box, drum, pillow, rod, tube

Generator = np.random.Generator


def _upholstery(rng: Generator) -> Material:
    return m.leather(rng) if rng.random() < 0.3 else m.fabric(rng)


def _frame_material(rng: Generator) -> Material:
    kind = rng.random()
    return m.wood(rng) if kind < 0.65 else m.metal(rng) if kind < 0.8 else m.paint(rng)


def _feet(rng: Generator, width: float, depth: float, height: float) -> Mesh:
    """Four legs under a width x depth footprint centred on the origin."""
    inset, radius = 0.07, float(rng.uniform(0.018, 0.03))
    splay = float(rng.choice([0.0, 0.03]))
    square = rng.random() < 0.4
    legs = []
    for x in (-1, 1):
        for z in (-1, 1):
            px, pz = x * (width / 2 - inset), z * (depth / 2 - inset)
            if square:
                legs.append(box((0.06, height, 0.06), (px, height / 2, pz)))
            else:
                foot = (px + splay * x, 0.0, pz + splay * z)
                legs.append(rod(foot, (px, height, pz), radius * 0.65, radius))
    return join(legs)


def _drape(width: float, length: float, top: float, drop: float, rng: Generator) -> Mesh:
    """Lay a cloth over a mattress: flat on top, rounded over the edges, folds at the sides."""
    edge = 0.05
    half = width / 2 - edge
    turn = np.linspace(0.0, np.pi / 2, 5)[1:]
    side_x = np.concatenate([half + edge * np.sin(turn), np.full(6, half + edge)])
    hang = np.linspace(0.0, max(drop - edge, 0.01), 7)[1:]
    side_y = np.concatenate([edge * (np.cos(turn) - 1), -edge - hang])
    flat = np.linspace(-half, half, 13)
    x = np.concatenate([-side_x[::-1], flat, side_x])
    y = np.concatenate([side_y[::-1], np.zeros(13), side_y])
    z = np.linspace(0.0, length, 33)
    waves = rng.uniform(5, 11) * z + rng.uniform(0, 6) + 0.7 * np.sin(7 * z)
    loose = np.clip(-y / max(drop, 0.05), 0.0, 1.0)
    out = (0.012 + 0.03 * np.sin(2 * waves))[:, None] * loose[None, :] * np.sign(x)[None, :]
    ripple = 0.006 * np.sin(waves[:, None] * 0.9 + 6 * x[None, :]) * (1 - loose)[None, :]
    points: Floats = np.empty((len(z), len(x), 3))
    points[..., 0] = x[None, :] + out
    points[..., 1] = top + y[None, :] + ripple
    points[..., 2] = z[:, None]
    return sheet(points)


def _headboard(rng: Generator, width: float, top: float, z: float, frame: Material) -> list[Part]:
    style = rng.choice(["panel", "padded", "slats", "arch", "channels"])
    if style == "panel":
        return [Part(box((width + 0.06, top, 0.06), (0, top / 2, z), 0.012), frame)]
    if style == "padded":
        body = box((width + 0.08, top - 0.1, 0.12), (0, top / 2 + 0.05, z), 0.05)
        return [Part(body, _upholstery(rng))]
    if style == "channels":
        count = int(rng.integers(4, 9))
        step = (width + 0.06) / count
        pads = [
            box(
                (step, top - 0.1, 0.12),
                ((i + 0.5) * step - width / 2 - 0.03, top / 2 + 0.05, z),
                0.05,
            )
            for i in range(count)
        ]
        return [Part(join(pads), _upholstery(rng))]
    bars = [rod((s * width / 2, 0, z), (s * width / 2, top, z), 0.025, 0.025) for s in (-1, 1)]
    count = int(rng.integers(6, 12))
    rise = 0.22 if style == "arch" else 0.0
    s = np.linspace(-1.0, 1.0, 17)
    path = np.stack([s * width / 2, top + rise * (1 - s * s), np.full(17, z)], axis=-1)
    bars.append(tube(path, 0.022))
    bars.append(rod((-width / 2, 0.5, z), (width / 2, 0.5, z), 0.018, 0.018))
    for x in np.linspace(-1, 1, count + 2)[1:-1]:
        high = top + rise * (1 - x * x)
        bars.append(rod((x * width / 2, 0.5, z), (x * width / 2, high, z), 0.012, 0.012))
    return [Part(join(bars), frame)]


def _canopy(width: float, length: float, height: float, frame: Material) -> Part:
    x, z, r = width / 2, length / 2, 0.05
    posts = [box((r, height, r), (i * x, height / 2, j * z)) for i in (-1, 1) for j in (-1, 1)]
    rails = [box((width, r, r), (0, height, j * z)) for j in (-1, 1)]
    rails += [box((r, r, length), (i * x, height, 0)) for i in (-1, 1)]
    return Part(join(posts + rails), frame)


def _bedding(rng: Generator, width: float, length: float, low: float, top: float) -> list[Part]:
    """Pillows, a duvet and at times a throw, on a mattress between ``low`` and ``top``."""
    pillows = []
    linen = m.linen(rng)
    count = 1 if width < 1.2 else 2
    for row in range(int(rng.integers(1, 3))):
        for i in range(count):
            x = ((i + 0.5) / count - 0.5) * (width - 0.05) + rng.uniform(-0.02, 0.02)
            soft = pillow(min(0.78, 0.9 * width / count), 0.46, float(rng.uniform(0.16, 0.22)))
            soft = soft.turned("x", float(rng.uniform(20, 42)) if row == 0 else 24.0)
            soft = soft.turned("y", float(rng.uniform(-6, 6)))
            z = -length / 2 + 0.22 + 0.2 * row
            pillows.append(
                Part(
                    soft.moved(x, top + 0.15 - 0.03 * row, z), linen if row == 0 else m.textile(rng)
                )
            )
    cover = float(rng.uniform(0.5, 0.72)) * length
    drop = float(rng.uniform(0.6, 1.1)) * (top - low)
    duvet = m.textile(rng) if rng.random() < 0.7 else m.linen(rng)
    cloth = [Part(_drape(width + 0.05, cover, top + 0.03, drop, rng), duvet)]
    cloth[0] = Part(cloth[0].mesh.moved(z=length / 2 + 0.01 - cover), duvet)
    fold = _drape(width + 0.07, 0.22, top + 0.045, drop, rng)
    cloth.append(Part(fold.moved(z=length / 2 - cover - 0.06), m.linen(rng)))
    front = box(
        (width, drop * 0.9, 0.03), (0, top - drop * 0.45 + 0.012, length / 2 + 0.005), 0.014
    )
    cloth.append(Part(front, duvet))
    if rng.random() < 0.4:
        throw = _drape(width + 0.09, float(rng.uniform(0.35, 0.6)), top + 0.055, drop, rng)
        cloth.append(Part(throw.moved(z=length / 2 - rng.uniform(0.6, 0.75)), m.textile(rng)))
    return pillows + cloth


def bed(rng: Generator) -> Scene:
    """Build a single, double or king-size bed with a headboard, pillows and a blanket."""
    width = float(rng.choice([0.95, 1.2, 1.4, 1.6, 1.8]) * rng.uniform(0.97, 1.03))
    length = float(rng.uniform(1.95, 2.12))
    frame = _frame_material(rng)
    clearance = float(rng.choice([0.04, 0.1, 0.18]))
    low = clearance + float(rng.uniform(0.14, 0.24))
    top = low + float(rng.uniform(0.18, 0.27))
    parts = [
        Part(_feet(rng, width, length, clearance + 0.01), frame),
        Part(
            box(
                (width + 0.06, low - clearance, length + 0.04), (0, (low + clearance) / 2, 0), 0.015
            ),
            frame,
        ),
        Part(box((width, top - low, length), (0, (top + low) / 2, 0), 0.06), m.linen(rng)),
    ]
    parts += _bedding(rng, width, length, low, top)
    if rng.random() < 0.16:
        parts.append(_canopy(width + 0.1, length + 0.1, float(rng.uniform(1.75, 2.05)), frame))
    parts += _headboard(rng, width, float(rng.uniform(0.9, 1.25)), -length / 2 - 0.05, frame)
    if rng.random() < 0.3:
        high = top + float(rng.uniform(-0.02, 0.2))
        parts.append(
            Part(box((width + 0.06, high, 0.05), (0, high / 2, length / 2 + 0.06), 0.012), frame)
        )
    return Scene(tuple(parts), azimuth=(18.0, 52.0), elevation=(17.0, 32.0), wall_gap=(0.03, 0.12))


def _arms(rng: Generator, style: str, x: float, depth: float, height: float, width: float) -> Mesh:
    """The two armrests, at -x and x (their middles)."""
    arms = []
    for side in (-1, 1):
        if style == "rolled":
            arms.append(
                box(
                    (width * 0.8, height - 0.12, depth),
                    (side * x, (height - 0.12) / 2 + 0.06, 0),
                    0.02,
                )
            )
            roll = drum(width * 0.62, width * 0.62, depth + 0.02).turned("x", 90.0)
            arms.append(roll.moved(side * (x + 0.02), height - 0.05, -depth / 2 - 0.01))
        else:
            radius = 0.025 if style == "square" else 0.07
            arms.append(
                box((width, height - 0.08, depth), (side * x, height / 2 + 0.04, 0), radius)
            )
    return join(arms)


def _sofa_cushions(
    rng: Generator, seats: int, inner: float, depth: float, seat: float, back: float
) -> Mesh:
    each, cushions = inner / seats, []
    lean = float(rng.uniform(8, 16))
    for i in range(seats):
        x = (i + 0.5) * each - inner / 2
        size = (each - 0.008, 0.17, depth - 0.12)
        cushions.append(box(size, (x, seat - 0.085, 0.07), 0.045, 0.03))
        rest = box((each - 0.015, 0.17, back - seat + 0.04), (0, 0, 0), 0.06, 0.05)
        rest = rest.turned("x", 90.0 - lean)
        cushions.append(rest.moved(x, (seat + back) / 2 + 0.02, -depth / 2 + 0.27))
    return join(cushions)


def _chaise(width: float, seat: float, clearance: float, run: float) -> Mesh:
    """The part that lengthens one seat by ``run``, starting at z = 0."""
    tall = seat - 0.15 - clearance
    body = box((width, tall, run), (0, clearance + tall / 2, run / 2), 0.03)
    cushion = box((width, 0.17, run + 0.02), (0, seat - 0.085, run / 2), 0.045, 0.02)
    x, z, top = width / 2 - 0.07, run - 0.07, clearance + 0.02
    legs = [rod((i * x, 0, z), (i * x, top, z), 0.02, 0.024) for i in (-1, 1)]
    return join([body, cushion, *legs])


def sofa(rng: Generator) -> Scene:
    """Build a sofa for one to three with cushions, armrests and at times a chaise longue."""
    seats = int(rng.choice([1, 2, 2, 3, 3, 3]))
    each = float(rng.uniform(0.58, 0.72)) + (0.06 if seats == 1 else 0.0)
    depth, seat = float(rng.uniform(0.84, 0.98)), float(rng.uniform(0.4, 0.47))
    back = float(rng.uniform(0.74, 0.92))
    style = str(rng.choice(["square", "round", "rolled"]))
    arm = float(rng.uniform(0.11, 0.24)) if style != "rolled" else float(rng.uniform(0.16, 0.22))
    inner, clearance = seats * each, float(rng.choice([0.05, 0.1, 0.15]))
    cloth, total = _upholstery(rng), seats * each + 2 * arm
    base = box(
        (inner + 0.02, seat - 0.15 - clearance, depth), (0, (seat - 0.15 + clearance) / 2, 0), 0.02
    )
    rear = box(
        (total - 0.04, back - clearance, 0.2), (0, (back + clearance) / 2, -depth / 2 + 0.1), 0.06
    )
    height = float(rng.uniform(0.55, 0.66))
    arms = _arms(rng, style, inner / 2 + arm / 2, depth, height, arm)
    parts = [Part(join([base, rear, arms]), cloth)]
    parts.append(Part(_sofa_cushions(rng, seats, inner, depth, seat, back), cloth))
    parts.append(Part(_feet(rng, total, depth, clearance + 0.05), _frame_material(rng)))
    if seats > 1 and rng.random() < 0.22:
        x = float(rng.choice([-1, 1])) * (inner - each) / 2
        longer = _chaise(each, seat, clearance, float(rng.uniform(0.5, 0.7)))
        parts.append(Part(longer.moved(x, 0, depth / 2), cloth))
    slots = rng.permutation(seats * 2)[: int(rng.integers(0, seats + 2))]
    for slot in slots[: 1 if seats == 1 else None]:  # two would not fit on one seat
        throw = pillow(0.42, 0.42, 0.16).turned("x", 62.0).turned("y", float(rng.uniform(-14, 14)))
        x = 0.0 if seats == 1 else ((slot + 0.5) / (seats * 2) - 0.5) * (inner - 0.12)
        z = -depth / 2 + 0.48 + 0.07 * (slot % 2)
        parts.append(Part(throw.moved(x, seat + 0.2, z), m.textile(rng)))
    return Scene(tuple(parts), azimuth=(0.0, 40.0), elevation=(9.0, 24.0), wall_gap=(0.05, 0.6))
