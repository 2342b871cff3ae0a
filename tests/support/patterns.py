"""Drawn pictures that show nothing in particular: plain areas, noise, patterns, text and charts.

Two sets, drawn by different functions: `TESTED` and `TUNED`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Array = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator], Image.Image]

SIZE = 320
_TEXT = "The quick brown fox jumps over the lazy dog while seven wizards vex a judge "
_GRID_Y, _GRID_X = np.mgrid[0:SIZE, 0:SIZE] / SIZE - 0.5


def _grey(values: Array) -> Image.Image:
    """Return a grey picture of values 0 to 1, `[h, w]`."""
    return Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8)).convert("RGB")


def _color(values: Array) -> Image.Image:
    """Return a picture of values 0 to 1, `[h, w, 3]`."""
    return Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8))


def _plain(*color: int) -> Draw:
    return lambda rng: Image.new("RGB", (SIZE, SIZE), color)


def _blocks(rng: np.random.Generator, side: int, colors: int) -> Image.Image:
    """Return squares of `side` pixels with values at random."""
    count = -(-SIZE // side)
    values = rng.random((count, count, colors)).repeat(side, 0).repeat(side, 1)
    return _color(np.broadcast_to(values[:SIZE, :SIZE], (SIZE, SIZE, 3)))


def _spectrum(rng: np.random.Generator, exponent: float) -> Image.Image:
    """Return noise whose amplitude falls with frequency to the power of `exponent`."""
    frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.fftfreq(SIZE)[None, :])
    frequency[0, 0] = 1
    noise = np.fft.fft2(rng.normal(size=(SIZE, SIZE, 3)), axes=(0, 1))
    values = np.fft.ifft2(noise / frequency[:, :, None] ** exponent, axes=(0, 1)).real
    return _color(0.5 + values / (5 * values.std()))


def _stripes(angle: float, period: float, *, smooth: bool = False) -> Draw:
    """Return what draws stripes so many degrees from upright, `period` to the width."""
    along = np.cos(np.deg2rad(angle)) * _GRID_X + np.sin(np.deg2rad(angle)) * _GRID_Y
    wave = np.sin(2 * np.pi * along * period)
    return lambda rng: _grey(0.5 + wave / 2 if smooth else (wave > 0).astype(np.float64))


def _checkers(side: int, dark: tuple[int, int, int], light: tuple[int, int, int]) -> Draw:
    count = -(-SIZE // side)
    odd = np.add.outer(np.arange(count), np.arange(count)) % 2
    odd = odd.repeat(side, 0).repeat(side, 1)[:SIZE, :SIZE, None]
    return lambda rng: _color(np.where(odd, np.array(light), np.array(dark)) / 255)


def _page(ground: str, ink: str, size: int) -> Draw:
    """Return what writes a page full of text."""

    def draw(rng: np.random.Generator) -> Image.Image:
        page = Image.new("RGB", (SIZE, SIZE), ground)
        pen, font = ImageDraw.Draw(page), ImageFont.load_default(size)
        words = _TEXT.split()
        for y in range(size, SIZE - size, size + size // 2):
            pen.text((size, y), " ".join(rng.permutation(words)), fill=ink, font=font)
        pen.rectangle((SIZE - size, 0, SIZE, SIZE), fill=ground)
        return page

    return draw


def _modules(rng: np.random.Generator) -> Image.Image:
    """Return a pattern like that of a QR code."""
    modules = rng.random((29, 29)) > 0.5
    for y, x in ((0, 0), (0, 22), (22, 0)):
        modules[y : y + 7, x : x + 7] = False
        modules[y + 1 : y + 6, x + 1 : x + 6] = True
        modules[y + 2 : y + 5, x + 2 : x + 5] = False
    page = Image.new("RGB", (SIZE, SIZE), "white")
    page.paste(_grey(modules.repeat(9, 0).repeat(9, 1).astype(np.float64)), (29, 29))
    return page


def _bars(rng: np.random.Generator) -> Image.Image:
    """Return a pattern like that of a bar code."""
    widths = rng.integers(2, 8, 90)
    row = np.repeat(np.arange(90) % 2, widths)[:260].astype(np.float64)
    page = Image.new("RGB", (SIZE, SIZE), "white")
    page.paste(_grey(np.tile(row, (150, 1))), (30, 85))
    return page


def _blob(rng: np.random.Generator) -> Image.Image:
    page = Image.new("RGB", (SIZE, SIZE), (200, 190, 180))
    ImageDraw.Draw(page).ellipse((90, 110, 230, 220), fill=(120, 60, 40))
    return page.filter(ImageFilter.GaussianBlur(25))


def _rings(rng: np.random.Generator) -> Image.Image:
    return _grey(0.5 + np.sin(90 * np.hypot(_GRID_X, _GRID_Y)) / 2)


def _dots(rng: np.random.Generator) -> Image.Image:
    page = Image.new("RGB", (SIZE, SIZE), (250, 245, 230))
    pen = ImageDraw.Draw(page)
    for y in range(20, SIZE, 40):
        for x in range(20, SIZE, 40):
            pen.ellipse((x - 9, y - 9, x + 9, y + 9), fill=(190, 30, 60))
    return page


def _curve(rng: np.random.Generator) -> Image.Image:
    """Return a plot of a curve, with axes."""
    page = Image.new("RGB", (SIZE, SIZE), "white")
    pen = ImageDraw.Draw(page)
    pen.line((30, 10, 30, 290, 310, 290), fill="black", width=2)
    heights = 150 + np.cumsum(rng.normal(size=56)) * 12
    points = [(30 + 5 * at, float(height)) for at, height in enumerate(heights)]
    pen.line(points, fill=(30, 90, 180), width=3)
    return page


def _chart(rng: np.random.Generator) -> Image.Image:
    """Return a chart of bars."""
    page = Image.new("RGB", (SIZE, SIZE), "white")
    pen = ImageDraw.Draw(page)
    pen.line((30, 10, 30, 290, 310, 290), fill="black", width=2)
    for at, height in enumerate(rng.integers(30, 260, 8)):
        pen.rectangle((45 + 32 * at, 290 - int(height), 67 + 32 * at, 290), fill=(70, 130, 80))
    return page


def _grid(rng: np.random.Generator) -> Image.Image:
    """Return the lines of an empty table."""
    page = Image.new("RGB", (SIZE, SIZE), "white")
    pen = ImageDraw.Draw(page)
    for at in range(20, SIZE, 35):
        pen.line((20, at, 300, at), fill=(90, 90, 90), width=2)
    for at in (20, 110, 200, 300):
        pen.line((at, 20, at, 300), fill=(90, 90, 90), width=2)
    return page


def _rectangles(rng: np.random.Generator) -> Image.Image:
    page = Image.new("RGB", (SIZE, SIZE), (128, 128, 128))
    pen = ImageDraw.Draw(page)
    for _ in range(60):
        x, y, w, h = (int(each) for each in rng.integers(0, 200, 4))
        color = tuple(int(each) for each in rng.integers(0, 256, 3))
        pen.rectangle((x, y, x + w // 2 + 10, y + h // 2 + 10), fill=color)
    return page


TESTED: Mapping[str, Draw] = {
    "black": _plain(0, 0, 0),
    "white": _plain(255, 255, 255),
    "mid grey": _plain(128, 128, 128),
    "lens cap": lambda rng: _color(0.02 + 0.02 * rng.normal(size=(SIZE, SIZE, 3))),
    "overexposed": lambda rng: _color(0.98 + 0.02 * rng.normal(size=(SIZE, SIZE, 3))),
    "red": _plain(220, 20, 20),
    "blue": _plain(20, 40, 200),
    "uniform noise": lambda rng: _color(rng.random((SIZE, SIZE, 3))),
    "normal grey noise": lambda rng: _grey(0.5 + 0.2 * rng.normal(size=(SIZE, SIZE))),
    "salt and pepper": lambda rng: _grey((rng.random((SIZE, SIZE)) > 0.5).astype(np.float64)),
    "noise of 8 px": lambda rng: _blocks(rng, 8, 3),
    "blurred noise": lambda rng: _color(0.5 + 6 * (_smooth(rng, 12) - 0.5)),
    "pink noise": lambda rng: _spectrum(rng, 1.0),
    "gradient": lambda rng: _grey(_GRID_X + 0.5),
    "round gradient": lambda rng: _grey(1 - 1.4 * np.hypot(_GRID_X, _GRID_Y)),
    "upright stripes": _stripes(0, 16),
    "slanting stripes": _stripes(45, 10),
    "waves": _stripes(90, 6, smooth=True),
    "checkers of 10 px": _checkers(10, (0, 0, 0), (255, 255, 255)),
    "checkers of 40 px": _checkers(40, (0, 0, 0), (255, 255, 255)),
    "text": _page("white", "black", 16),
    "text on black": _page("black", "white", 24),
    "QR code": _modules,
    "bar code": _bars,
    "blurred blob": _blob,
    "rings": _rings,
    "dots": _dots,
    "curve": _curve,
    "bar chart": _chart,
    "empty table": _grid,
    "rectangles": _rectangles,
}


def _smooth(rng: np.random.Generator, radius: int) -> Array:
    noise = _color(rng.random((SIZE, SIZE, 3)))
    return np.asarray(noise.filter(ImageFilter.GaussianBlur(radius)), np.float64) / 255


def _triangles(rng: np.random.Generator) -> Image.Image:
    page = Image.new("RGB", (SIZE, SIZE), (230, 225, 210))
    pen = ImageDraw.Draw(page)
    for _ in range(40):
        color = tuple(int(each) for each in rng.integers(0, 256, 3))
        pen.polygon([int(each) for each in rng.integers(0, SIZE, 6)], fill=color)
    return page


def _scribble(rng: np.random.Generator) -> Image.Image:
    page = Image.new("RGB", (SIZE, SIZE), "white")
    walk = 160 + np.cumsum(rng.normal(size=(200, 2)) * 9, axis=0)
    ImageDraw.Draw(page).line([tuple(each) for each in walk.tolist()], fill="navy", width=3)
    return page


def _pie(rng: np.random.Generator) -> Image.Image:
    page = Image.new("RGB", (SIZE, SIZE), "white")
    pen = ImageDraw.Draw(page)
    for start, end, color in ((0, 120, "teal"), (120, 210, "orange"), (210, 360, "purple")):
        pen.pieslice((50, 50, 270, 270), start, end, fill=color)
    return page


def _scatter(rng: np.random.Generator) -> Image.Image:
    page = Image.new("RGB", (SIZE, SIZE), "white")
    pen = ImageDraw.Draw(page)
    for x, y in rng.normal(160, 50, (150, 2)):
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(180, 40, 40))
    return page


def _word(rng: np.random.Generator) -> Image.Image:
    page = Image.new("RGB", (SIZE, SIZE), (240, 240, 255))
    ImageDraw.Draw(page).text((40, 120), "SOLD", fill="crimson", font=ImageFont.load_default(90))
    return page


def _spiral(rng: np.random.Generator) -> Image.Image:
    turn = np.arctan2(_GRID_Y, _GRID_X) + 40 * np.hypot(_GRID_X, _GRID_Y)
    return _grey((np.sin(turn) > 0).astype(np.float64))


def _cross(rng: np.random.Generator) -> Image.Image:
    page = Image.new("RGB", (SIZE, SIZE), (245, 245, 245))
    pen = ImageDraw.Draw(page)
    pen.rectangle((140, 40, 180, 280), fill=(20, 20, 20))
    pen.rectangle((40, 140, 280, 180), fill=(20, 20, 20))
    return page


TUNED: Mapping[str, Draw] = {
    "nearly black": _plain(12, 10, 14),
    "light grey": _plain(210, 212, 208),
    "dark grey": _plain(70, 70, 70),
    "green": _plain(30, 160, 60),
    "yellow": _plain(240, 220, 60),
    "exponential noise": lambda rng: _color(rng.exponential(0.3, (SIZE, SIZE, 3))),
    "faint noise": lambda rng: _color(0.6 + 0.05 * rng.normal(size=(SIZE, SIZE, 3))),
    "sparse points": lambda rng: _grey((rng.random((SIZE, SIZE)) > 0.98).astype(np.float64)),
    "grey noise of 20 px": lambda rng: _blocks(rng, 20, 1),
    "noise of 3 px": lambda rng: _blocks(rng, 3, 3),
    "brown noise": lambda rng: _spectrum(rng, 2.0),
    "steep blue gradient": lambda rng: _color(
        np.stack([0 * _GRID_Y, (_GRID_Y + 0.5) ** 2, _GRID_Y + 0.5], axis=2)
    ),
    "corner gradient": lambda rng: _grey((_GRID_X + _GRID_Y) / 2 + 0.5),
    "level stripes": _stripes(90, 25),
    "faint waves": _stripes(30, 12, smooth=True),
    "checkers in color": _checkers(20, (180, 30, 30), (240, 240, 200)),
    "large checkers": _checkers(80, (20, 20, 90), (250, 250, 250)),
    "small text": _page("ivory", "navy", 11),
    "word": _word,
    "triangles": _triangles,
    "scribble": _scribble,
    "pie": _pie,
    "scatter": _scatter,
    "spiral": _spiral,
    "cross": _cross,
    "soft noise": lambda rng: _color(0.5 + 3 * (_smooth(rng, 5) - 0.5)),
}


def drawn(of: Mapping[str, Draw], seed: int) -> dict[str, Image.Image]:
    """Return the drawn pictures of a set by name: the same for the same seed."""
    return {
        name: draw(np.random.default_rng([seed, at])) for at, (name, draw) in enumerate(of.items())
    }
