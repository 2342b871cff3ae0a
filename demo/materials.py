"""Materials of the demo furniture: palettes and the texture tiles that go over them."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence

import numpy as np

from demo.scene import Colour, Floats, Material, Values

Generator = np.random.Generator

TILE_TEXELS = 256  # a power of two, so that wrapping round is one bitwise "and"
TILE_METRES = 1.28

WOODS = ("#c99a62", "#a9743f", "#7d4f2a", "#5a3620", "#d9bb8c", "#e3cfab", "#8f5b3a", "#3d2a20")
METALS = ("#b9bcc0", "#8b8f94", "#3a3c40", "#1f2023", "#b8934f", "#a8744f")
HUES = (0.01, 0.04, 0.08, 0.12, 0.14, 0.22, 0.36, 0.47, 0.53, 0.57, 0.6, 0.64, 0.94)
LINENS = ("#f4f1ea", "#ffffff", "#e6e9ee", "#efe3d3", "#dfe6dc")


def linear(value: Floats | Sequence[float]) -> Floats:
    """Turn sRGB values (0 to 1) into linear light (IEC 61966-2-1)."""
    srgb = np.asarray(value, dtype=np.float64)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def from_hex(code: str) -> Colour:
    """Read a "#rrggbb" colour as linear light."""
    red, green, blue = linear([int(code[i : i + 2], 16) / 255.0 for i in (1, 3, 5)])
    return float(red), float(green), float(blue)


def from_hsv(hue: float, saturation: float, value: float) -> Colour:
    """Turn hue, saturation and value (0 to 1) into linear light."""
    red, green, blue = linear(colorsys.hsv_to_rgb(hue % 1.0, saturation, value))
    return float(red), float(green), float(blue)


def varied(colour: Colour, rng: Generator, amount: float = 0.12) -> Colour:
    """Shift a linear colour by up to ``amount`` in brightness and a little in tint."""
    factor = rng.uniform(1 - amount, 1 + amount) * rng.uniform(0.96, 1.04, 3)
    red, green, blue = np.clip(np.array(colour) * factor, 0.0, 1.0)
    return float(red), float(green), float(blue)


def hue(rng: Generator) -> float:
    """Choose a hue that furniture often comes in, so neither lime nor magenta."""
    return float(rng.choice(HUES) + rng.uniform(-0.015, 0.015))


def wood(rng: Generator) -> Material:
    """Choose oiled or varnished wood."""
    return Material(
        varied(from_hex(WOODS[rng.integers(len(WOODS))]), rng),
        gloss=float(rng.uniform(0.05, 0.3)),
        shininess=float(rng.uniform(20, 60)),
        pattern="wood",
        contrast=float(rng.uniform(0.18, 0.4)),
    )


def metal(rng: Generator) -> Material:
    """Choose chrome, steel, brass or lacquered black metal."""
    colour = varied(from_hex(METALS[rng.integers(len(METALS))]), rng)
    return Material(colour, gloss=0.8, shininess=60.0, mirror=float(rng.uniform(0.3, 0.75)))


def paint(rng: Generator) -> Material:
    """Choose a lacquer: mostly white, black or grey, at times a colour."""
    if rng.random() < 0.55:
        colour = from_hsv(0.09, 0.04, float(rng.choice([0.95, 0.85, 0.25, 0.5, 0.15])))
    else:
        colour = from_hsv(hue(rng), rng.uniform(0.25, 0.6), rng.uniform(0.45, 0.85))
    return Material(colour, gloss=0.3, shininess=45.0)


def fabric(rng: Generator) -> Material:
    """Choose a woven upholstery fabric, grey, beige or coloured."""
    if rng.random() < 0.4:
        colour = from_hsv(rng.uniform(0.05, 0.12), rng.uniform(0.02, 0.22), rng.uniform(0.3, 0.85))
    else:
        colour = from_hsv(hue(rng), rng.uniform(0.25, 0.6), rng.uniform(0.35, 0.75))
    return Material(colour, 0.02, 6.0, pattern="weave", contrast=float(rng.uniform(0.1, 0.22)))


def leather(rng: Generator) -> Material:
    """Choose leather: brown, black, cream or ox-blood."""
    codes = ("#6b3f22", "#8a5a33", "#2a2422", "#d8c9b0", "#5c2320", "#a8703f")
    colour = varied(from_hex(codes[rng.integers(len(codes))]), rng)
    gloss = float(rng.uniform(0.25, 0.5))
    return Material(colour, gloss, 22.0, pattern="leather", contrast=0.16)


def linen(rng: Generator) -> Material:
    """Choose a pale bed or table linen."""
    colour = varied(from_hex(LINENS[rng.integers(len(LINENS))]), rng, 0.04)
    return Material(colour, 0.0, 6.0, pattern="leather", contrast=0.05, two_sided=True)


def textile(rng: Generator) -> Material:
    """Choose a blanket or pillow cloth, plain or patterned."""
    base = fabric(rng)
    pattern = str(rng.choice(["weave", "stripe", "check", "weave"]))
    contrast = 0.15 if pattern == "weave" else float(rng.uniform(0.2, 0.45))
    return Material(base.colour, 0.02, 6.0, 0.0, pattern, contrast, two_sided=True)


def noise(rng: Generator, along: int, across: int) -> Values:
    """Draw smooth noise that repeats without a seam (value noise).

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the values.
    along, across : int
        Lattice cells along the rows and the columns.

    Returns
    -------
    ndarray of float32, shape (TILE_TEXELS, TILE_TEXELS)
        Values between -1 and 1.
    """
    lattice = 2 * rng.random((across, along), dtype=np.float32) - 1
    return _stretched(_stretched(lattice).T).T


def _stretched(lattice: Values) -> Values:
    """Interpolate rows smoothly until there are TILE_TEXELS of them, the last to the first."""
    position = np.arange(TILE_TEXELS) * len(lattice) / TILE_TEXELS
    cell = position.astype(np.int64)
    share = (position - cell).astype(np.float32)[:, None]
    share = share * share * (3 - 2 * share)
    low, high = lattice[cell], lattice[(cell + 1) % len(lattice)]
    return np.asarray(low + (high - low) * share)


def _heights() -> Values:
    return np.linspace(0, 1, TILE_TEXELS, endpoint=False, dtype=np.float32)[:, None]


def _plain(rng: Generator) -> Values:
    return np.zeros((TILE_TEXELS, TILE_TEXELS), dtype=np.float32)


def _wood(rng: Generator) -> Values:
    bend = noise(rng, 3, 6) + 0.4 * noise(rng, 6, 16)
    rows = _heights()
    rings = np.sin(2 * np.pi * 9 * rows + 4.5 * bend)
    return np.asarray(0.45 * rings + 0.5 * noise(rng, 5, 64) + 0.35 * noise(rng, 10, 128))


def _weave(rng: Generator) -> Values:
    thread = noise(rng, 128, 64) + noise(rng, 64, 128)
    return np.asarray(0.6 * thread + 0.35 * noise(rng, 12, 12))


def _leather(rng: Generator) -> Values:
    creases = -np.abs(noise(rng, 14, 14)) - 0.6 * np.abs(noise(rng, 40, 40)) + 0.6
    return np.asarray(creases + 0.4 * noise(rng, 5, 5))


def _stripe(rng: Generator) -> Values:
    count = int(rng.integers(5, 15))
    rows = _heights()
    bands = np.sign(np.sin(2 * np.pi * count * rows + 0.3))
    return np.asarray(bands + 0.1 * noise(rng, 128, 128))


def _check(rng: Generator) -> Values:
    bands = _stripe(rng)
    return np.asarray(0.55 * bands + 0.55 * bands.T)


PATTERNS: dict[str, Callable[[Generator], Values]] = {
    "plain": _plain,
    "wood": _wood,
    "weave": _weave,
    "leather": _leather,
    "stripe": _stripe,
    "check": _check,
}


def tile(pattern: str, rng: Generator) -> Values:
    """Paint the texture tile called ``pattern``.

    Parameters
    ----------
    pattern : str
        A key of ``PATTERNS``.
    rng : numpy.random.Generator
        Source of its irregularities.

    Returns
    -------
    ndarray of float32, shape (TILE_TEXELS, TILE_TEXELS)
        About -1 (dark) to 1 (light); columns run along the grain.
    """
    return PATTERNS[pattern](rng)
