"""Small copies of images, read from their files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image

from engine.config import Config
from engine.errors import ImageError
from engine.pictures.decode import decode
from engine.pictures.read import read_file
from engine.pictures.threads.memory import ImageMemory, Reserve
from engine.pictures.threads.prefetch import prefetch
from engine.progress import Reporter
from engine.search.duplicates import correlation, detail
from engine.search.duplicates.correlation import Miniature

# Files that threads may be ahead of the reader.
WINDOW = 64
# Miniatures that are remembered, of 4 kB each.
REMEMBERED = 20_000


Small = TypeVar("Small")


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A picture that was handed in.

    Attributes
    ----------
    miniature, grey
        Small copies of it: see `correlation.py` and `detail.py`.
    pixels
        Width times height.
    """

    miniature: Miniature
    grey: Image.Image
    pixels: int


class Pixels:
    """Reads miniatures, by the limits that a configuration sets on images, and tells how many.

    Parameters
    ----------
    config
        Its limits on bytes, pixels, memory and time.
    reporter
        Is told of progress.
    """

    def __init__(self, config: Config, reporter: Reporter) -> None:
        self._config = config
        self._reporter = reporter
        self._memory = ImageMemory.of(config)
        self._seen: dict[str, tuple[Image.Image, float] | None] = {}
        self._done = 0

    def miniatures(self, paths: Sequence[str]) -> list[Miniature | None]:
        """Return the miniatures of files, None for each that cannot be read."""
        new = [path for path in dict.fromkeys(paths) if path not in self._seen]
        if len(self._seen) + len(new) > REMEMBERED:
            self._seen, new = {}, list(dict.fromkeys(paths))
        read = self._read(new, 2 * correlation.SIDE, lambda image: Miniature.of(image).made_of)
        self._seen |= dict(zip(new, read, strict=True))
        seen = [self._seen[path] for path in paths]
        # What is computed of one goes with it: of its pixels alone there may be many.
        return [Miniature(*made_of) if made_of is not None else None for made_of in seen]

    def greys(self, paths: Sequence[str]) -> list[Image.Image | None]:
        """Return files in grey, no larger than `detail` compares, None for what cannot be read."""
        return self._read(paths, detail.SIDE, detail.small_enough)

    def of(self, data: bytes, name: str) -> HandedIn:
        """Return what is to be known of a picture's bytes.

        Raises
        ------
        ImageError
            It cannot be read.
        """

        def seen(reserve: Reserve) -> HandedIn:
            image = decode(data, name, self._config.max_pixels, detail.SIDE, reserve)
            small = Miniature.of(image.pixels), detail.small_enough(image.pixels)
            return HandedIn(*small, image.width * image.height)

        return self._memory.turn(name, seen)

    def searched(self, images: int, *, over: bool = False) -> None:
        """Tell of how many images the neighbours are known, and whether these were all."""
        self._reporter.progress("searching", images, images if over else None, "images")

    def compares(self) -> None:
        """Tell that images are compared, though no other was read."""
        self._reporter.progress("comparing", self._done, None, "images")

    def _read(
        self, paths: Sequence[str], enough: int, small: Callable[[Image.Image], Small]
    ) -> list[Small | None]:
        """Return small copies of files; a JPEG is unpacked no further than to `enough` pixels."""

        def decoded(path: str, reserve: Reserve) -> Small:
            data = read_file(path, self._config.max_file_bytes, reserve, urls=self._config.urls)
            return small(decode(data, path, self._config.max_pixels, enough, reserve).pixels)

        def one(path: str) -> Small | None:
            try:
                return self._memory.turn(path, lambda reserve: decoded(path, reserve))
            except ImageError:
                return None

        seen: list[Small | None] = []
        threads = prefetch(one, paths, workers=self._config.decoders, window=WINDOW)
        with closing(threads) as images:
            for image in images:
                seen.append(image)
                self._done += 1
                self.compares()
        return seen
