"""Any number of embeddings that lie as the embeddings of photographs lie.

Eight crops of every photograph are embedded. A made-up image is a mixture of one of them with
three of its neighbours, and the difference of four more; negative numbers, which a pooled feature
never has, are cut off. The strength of that difference is chosen so that neighbours of a million
lie as they would by what the photographs show: their distances, one crop each, grow as in 16
dimensions (the tenth neighbour against the hundredth), which at a million means cosines of about
0.84, 0.79 and 0.72 to the first, tenth and hundredth neighbour.
`python -m benchmarks.support.synthetic` prints both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.settings import CACHE, Settings, find_data
from engine.config import Config
from engine.embedding.choose import choose_embedder
from engine.embedding.embedder import Embedder
from engine.progress import SILENT
from index.records import Floats

VIEWS = 8
NEIGHBOURS = 64
MIXED = 4
CONCENTRATION = 0.5
NOISE = 1.0
LEAST_SIDE = 0.55
BLOCK = 20_000


class Synthetic:
    """A source of made-up embeddings.

    Parameters
    ----------
    views
        Embeddings of real pictures, float32 `[m, dim]`, in any order.
    """

    def __init__(self, views: Floats) -> None:
        lengths = np.linalg.norm(views, axis=1, keepdims=True)
        self.unit: Floats = (views / lengths).astype(np.float32)
        self.length = float(lengths.mean())
        self._neighbours = min(NEIGHBOURS, len(self.unit) - 1)
        self._near = np.concatenate(
            [
                np.argpartition(-(part @ self.unit.T), self._neighbours)[:, : self._neighbours]
                for part in np.array_split(self.unit, max(1, len(self.unit) // 1000))
            ]
        )

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        """Return unit vectors, float32 `[count, dim]`."""
        start = rng.integers(0, len(self.unit), count)

        def neighbour() -> Floats:
            near = self._near[start, rng.integers(0, self._neighbours, count)]
            chosen: Floats = self.unit[near]
            return chosen

        weights = rng.dirichlet([CONCENTRATION] * MIXED, count).astype(np.float32)
        made = weights[:, :1] * self.unit[start]
        for part in range(1, MIXED):
            made += weights[:, part : part + 1] * neighbour()
        away = neighbour() - neighbour() + neighbour() - neighbour()
        made = np.maximum(made + np.float32(NOISE / 2**0.5) * away, 0)
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        return made

    def blocks(self, count: int, rng: np.random.Generator) -> Iterator[Floats]:
        """Yield `count` unit vectors, a block at a time."""
        for start in range(0, count, BLOCK):
            yield self.draw(min(BLOCK, count - start), rng)


def synthetic(settings: Settings, backbone: str = "efficientnet_lite0") -> Synthetic:
    """Return the source for a backbone; the photographs are embedded once and kept.

    Raises
    ------
    CannotRunError
        There are no photographs.
    """
    photos = [*settings.images("catalog"), *settings.images("imagenet300")]
    config = Config.at(
        settings.cache / "nowhere", backbone=backbone, cache=settings.cache / "engine"
    )
    embedder = choose_embedder(config, None, SILENT)
    file = settings.cache / f"views-{backbone}-{embedder.fingerprint[:12]}-{len(photos)}.npy"
    if not file.exists():
        settings.say(f"embedding {VIEWS} crops of {len(photos)} photographs")
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, _views(embedder, photos))
    return Synthetic(np.load(file))


def _views(embedder: Embedder, photos: Sequence[Path]) -> Floats:
    rng = np.random.default_rng(0)
    parts = []
    for photo in photos:
        whole = embedder.image(photo.read_bytes(), str(photo)).pixels
        crops = []
        for _ in range(VIEWS):
            side = rng.uniform(LEAST_SIDE, 1) * min(whole.size)
            left = rng.uniform(0, whole.width - side)
            top = rng.uniform(0, whole.height - side)
            box = (round(left), round(top), round(left + side), round(top + side))
            crops.append(embedder.backbone.preprocessing.pixels(whole.crop(box)))
        parts.append(embedder.embed(crops).raw)
    return np.concatenate(parts)


def _describe(name: str, queries: Floats, base: Floats) -> str:
    near = -np.sort(-(queries @ base.T), axis=1)[:, :100]
    first, tenth, hundredth = (float(np.median(near[:, rank - 1])) for rank in (1, 10, 100))
    growth = np.log((2 - 2 * hundredth) / (2 - 2 * tenth)) / 2
    return (
        f"{name}: {len(base)} vectors, cosine to the 1st, 10th and 100th neighbour {first:.3f}, "
        f"{tenth:.3f}, {hundredth:.3f}; dimension {np.log(10) / growth:.1f}"
    )


def main() -> None:
    """Print how real and made-up neighbours lie."""
    source = synthetic(Settings(quick=True, data=find_data(None), out=CACHE))
    one_crop = source.unit[::VIEWS]
    print(_describe("real, one crop each", one_crop[::6], np.delete(one_crop, np.s_[::6], axis=0)))
    rng = np.random.default_rng(1)
    queries = source.draw(200, rng)
    for count in (1_000, 10_000, 100_000):
        base = np.concatenate(list(source.blocks(count, rng)))
        print(_describe("made up", queries, base))


if __name__ == "__main__":
    main()
