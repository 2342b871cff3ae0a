"""How many edited pictures `engine duplicates` finds, and how many others it takes for copies.

    python -m benchmarks.copies [--data FOLDER] [--set held-out|tuning] [--draws 3]

Three kinds of catalogs. In the first, 100 photographs with nine edits each lie among 400 others; in
the second, 60 pictures of furniture with five edits each among 240 that look much like them; the
third are small folders of two kinds of things, nine of whose 40 photographs have an edit. Each is
tried with 30 black frames and 30 receipts of one form beside it. The held-out sets are of other
photographs than those on which the values of `engine/search/duplicates/rules.py` were chosen, which
`--set tuning` shows.

An edit is found where it lies in a group of copies with its original; what lies in a group with a
picture that it was not made of is false. Beside it the plain cosine: at the bound of the release
before, 0.95, and at the bound at which 5 % of its pairs are false, which nobody knows beforehand.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from benchmarks.settings import find_data
from engine import DuplicateGroup, Engine
from engine.pictures.decode import decode
from index.records import Floats

BACKBONE = "efficientnet_lite0"
ALL_EDITS = (
    "jpeg20",
    "half",
    "mirror",
    "crop70",
    "crop50",
    "grey",
    "banner",
    "frame",
    "turn10",
)
FIVE_EDITS = ("jpeg20", "mirror", "crop70", "grey", "frame")
FRAMES = 30
BOUND_BEFORE, FALSE_SHARE = 0.95, 0.05


def _cropped(image: Image.Image, area: float) -> Image.Image:
    width, height = (max(1, round(side * area**0.5)) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _with_banner(image: Image.Image) -> Image.Image:
    marked = image.copy()
    pen = ImageDraw.Draw(marked)
    pen.rectangle((0, round(0.85 * image.height), *image.size), fill=(200, 30, 30))
    pen.text((image.width // 10, round(0.9 * image.height)), "SALE  50 % OFF", fill="white")
    return marked


def _framed(image: Image.Image) -> Image.Image:
    return ImageOps.expand(image, border=max(4, min(image.size) // 12), fill=(20, 20, 20))


EDITS: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {
    "jpeg20": (lambda image: image, 20),
    "half": (lambda image: image.resize((image.width // 2, image.height // 2)), 90),
    "mirror": (ImageOps.mirror, 90),
    "crop70": (lambda image: _cropped(image, 0.7), 90),
    "crop50": (lambda image: _cropped(image, 0.5), 90),
    "grey": (lambda image: image.convert("L").convert("RGB"), 90),
    "banner": (_with_banner, 90),
    "frame": (_framed, 90),
    "turn10": (lambda image: image.rotate(10, Image.Resampling.BICUBIC), 90),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of catalog: how many of its photographs have which edits, each of them all or one."""

    name: str
    edited: int
    edits: Sequence[str]
    all_of_them: bool = True


KINDS = (
    Kind("nine edits among photographs", 100, ALL_EDITS),
    Kind("five among look-alikes", 60, FIVE_EDITS),
    Kind("one in a small folder", len(ALL_EDITS), ALL_EDITS, all_of_them=False),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was found of one catalog.

    Attributes
    ----------
    found
        Share of edits that lie in a group of copies with their original.
    false
        Share of what is listed as a copy that was made of another picture.
    by_edit
        The share that was found of each kind of edit.
    frames
        Black frames and receipts among what is listed as a copy.
    before, at_best
        Shares that the plain cosine finds at the bound of the release before, and at that at which
        5 % of its pairs are false.
    """

    found: float
    false: float
    by_edit: dict[str, float]
    frames: int
    before: float
    at_best: float


def make_catalog(folder: Path, photographs: Sequence[Path], kind: Kind) -> None:
    """Write photographs, edits of the first ones, black frames and receipts as JPEG."""
    for number, path in enumerate(photographs):
        image = decode(path.read_bytes(), str(path), 10**9).pixels
        _put(folder, f"{number:04}-original", image, 95)
        own = kind.edits if kind.all_of_them else kind.edits[number : number + 1]
        for name in own if number < kind.edited else ():
            edit, quality = EDITS[name]
            _put(folder, f"{number:04}-{name}", edit(image), quality)
    noise = np.random.default_rng(0)
    for number in range(FRAMES):
        black = np.clip(noise.normal(4, 2, (480, 640, 3)), 0, 255).astype(np.uint8)
        _put(folder, f"black{number:02}-frame", Image.fromarray(black), 90)
        _put(folder, f"receipt{number:02}-frame", receipt(number), 95)


def receipt(number: int) -> Image.Image:
    """Return a page with lines of text that no other page has."""
    page = Image.new("RGB", (480, 480), "white")
    pen = ImageDraw.Draw(page)
    for line in range(6):
        amount = 3 + 17 * number + 5 * line
        pen.text((60, 60 + 30 * line), f"article {number}-{line}    {amount}.{line}0 EUR", "black")
    return page


def _put(folder: Path, name: str, image: Image.Image, quality: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / f"{name}.jpg", quality=quality)


def figures(folder: Path) -> Figures:
    """Index a catalog and return what is found in it."""
    with (
        tempfile.TemporaryDirectory() as store,
        Engine.open(Path(store) / "store", backbone=BACKBONE) as engine,
    ):
        engine.index([folder])
        groups = [group for group in engine.duplicates(level="copy") if group.kind == "copy"]
        catalog = engine._session.catalog()
        ids, vectors = catalog.embeddings.all()
        rows = catalog.images.rows(ids.tolist())
    names = [Path(rows[image_id].path).stem for image_id in ids.tolist()]
    before, at_best = plain_cosine(vectors.unit, names)
    return Figures(*_found(groups, names), before, at_best)


def _found(
    groups: Sequence[DuplicateGroup], names: Sequence[str]
) -> tuple[float, float, dict[str, float], int]:
    found: Counter[str] = Counter()
    listed = false = frames = 0
    for group in groups:
        members = [Path(path).stem.split("-") for path in group.paths]
        source = Counter(each for each, _ in members).most_common(1)[0][0]
        listed += len(members) - 1
        false += sum(each != source for each, _ in members)
        frames += sum(edit == "frame" and not each.isdigit() for each, edit in members)
        if [source, "original"] in members:
            found.update(edit for each, edit in members if each == source)
    wanted = Counter(name.split("-")[1] for name in names if name[0].isdigit())
    edits = [edit for edit in wanted if edit != "original"]
    by_edit = {edit: found[edit] / wanted[edit] for edit in edits}
    share = sum(found[edit] for edit in edits) / sum(wanted[edit] for edit in edits)
    return share, false / max(listed, 1), by_edit, frames


def plain_cosine(unit: Floats, names: Sequence[str]) -> tuple[float, float]:
    """Return the share of edits whose cosine to their original passes either bound."""
    photographs = [row for row, name in enumerate(names) if name[0].isdigit()]
    unit, names = unit[photographs], [names[row] for row in photographs]
    source = np.array([name.split("-")[0] for name in names])
    original = np.array([name.endswith("original") for name in names])
    one, other = np.triu_indices(len(names), 1)
    cosines = (unit @ unit.T)[one, other]
    order = np.argsort(-cosines, kind="stable")
    one, other, cosines = one[order], other[order], cosines[order]
    same = source[one] == source[other]
    edit = same & (original[one] | original[other])
    share = np.cumsum(edit) / edit.sum()
    good = np.cumsum(~same) <= FALSE_SHARE * np.arange(1, len(same) + 1)
    at_best = float(share[np.flatnonzero(good)[-1]]) if good.any() else 0.0
    return float(edit[cosines >= BOUND_BEFORE].sum() / edit.sum()), at_best


def photographs_of(data: Path, which: str, draw: int) -> tuple[list[Path], ...]:
    """Return the photographs of each kind of catalog."""
    categories = sorted(path for path in (data / "catalog").iterdir() if path.is_dir())
    tuning = which == "tuning"
    some = categories[:15] if tuning else categories[15:]
    mixed = [path for folder in some for path in sorted(folder.iterdir())]
    foreign = sorted(path for path in (data / "imagenet300").rglob("*") if path.is_file())
    mixed += foreign[::2] if tuning else foreign[1::2]
    furniture = data / "furniture" / ("train" if tuning else "test")
    alike = [path for folder in sorted(furniture.iterdir()) for path in sorted(folder.iterdir())]
    shuffled = random.Random(draw)
    two = shuffled.sample(some, 2)
    return (
        shuffled.sample(mixed, min(500, len(mixed))),
        shuffled.sample(alike, min(300, len(alike))),
        shuffled.sample([path for folder in two for path in folder.iterdir()], 40),
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--set", choices=("held-out", "tuning"), default="held-out")
    parser.add_argument("--draws", type=int, default=3)
    given = parser.parse_args()
    data = find_data(given.data)
    for number, kind in enumerate(KINDS):
        results = []
        # A small folder says little.
        for draw in range(given.draws if kind.all_of_them else 4 * given.draws):
            photographs = photographs_of(data, given.set, draw)[number]
            with tempfile.TemporaryDirectory() as folder:
                make_catalog(Path(folder), photographs, kind)
                results.append(figures(Path(folder)))
            each = results[-1]
            print(
                f"{kind.name}, draw {draw}: found {each.found:.3f}, false {each.false:.3f}, "
                f"frames and receipts {each.frames}; plain cosine {each.before:.3f} at "
                f"{BOUND_BEFORE}, {each.at_best:.3f} at 5 % false",
                flush=True,
            )
        means = {edit: np.mean([each.by_edit[edit] for each in results]) for edit in kind.edits}
        found, false = (
            np.mean([getattr(each, name) for each in results]) for name in ("found", "false")
        )
        print(f"{kind.name}, mean: found {found:.3f}, false {false:.3f}")
        print("   " + ", ".join(f"{edit} {share:.2f}" for edit, share in means.items()))


if __name__ == "__main__":
    main()
