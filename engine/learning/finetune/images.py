"""Labelled images on their way into a training: prefetched, and preprocessed or augmented."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from PIL import Image

from engine.backbones.torchvision_import import import_torchvision
from engine.config import Config
from engine.embedding.embedder import Embedder
from engine.learning.data.examples import Examples
from engine.pictures.decode import decode
from engine.pictures.preprocess import Preprocessing
from engine.pictures.read import read_file
from engine.pictures.threads.memory import ImageMemory, Reserve
from engine.pictures.threads.prefetch import prefetch
from index.records import Ids

# Of an image's area the least that is shown, and how colours may change.
LEAST_AREA, COLOURS = 0.5, 0.2
# An image is decoded at this many times the pixels it is shown with, at least.
ENOUGH = 2
# Distinct seeds for each image of each epoch.
PRIME = 1_000_003
# torch's generators take seeds below this.
SEEDS = 1 << 64


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """Images of known categories, which were seen to be readable.

    Attributes
    ----------
    paths
        The files.
    labels
        int64 `[n]`, positions of categories.
    preprocessing
        The backbone's.
    config
        How many threads decode, and what images may cost.
    memory
        What they may hold while they are read and decoded.
    """

    paths: Sequence[str]
    labels: Ids
    preprocessing: Preprocessing
    config: Config
    memory: ImageMemory

    @classmethod
    def of(cls, examples: Examples, embedder: Embedder) -> Self:
        """Return the images of examples, for the backbone of an embedder."""
        preprocessing = embedder.backbone.preprocessing
        return cls(examples.paths, examples.labels, preprocessing, embedder.config, embedder.memory)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.paths)

    def batches(
        self, order: Ids, size: int, draw: Draw | None = None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield pixels uint8 `[n, crop, crop, 3]` and labels int64 `[n]`, in this order.

        Parameters
        ----------
        draw
            Shows another view of each image; None for the image as it is embedded.

        Raises
        ------
        ImageError
            A file has become unreadable.
        """
        parts = [order[start : start + size] for start in range(0, len(order), size)]
        workers = self.config.decoders
        opened = prefetch(self._open, order.tolist(), workers=workers, window=2 * size)
        for part in parts:
            rows = [
                self.preprocessing.pixels(next(opened))
                if draw is None
                else draw(next(opened), number)
                for number in part.tolist()
            ]
            yield torch.from_numpy(np.stack(rows)), torch.from_numpy(self.labels[part])

    def _open(self, number: int) -> Image.Image:
        path = self.paths[number]
        enough = ENOUGH * self.preprocessing.resize

        def opened(reserve: Reserve) -> Image.Image:
            data = read_file(path, self.config.max_file_bytes, reserve, urls=self.config.urls)
            return decode(data, path, self.config.max_pixels, enough, reserve).pixels

        return self.memory.turn(path, opened)


class Draw:
    """Views of images, drawn anew in each epoch, always the same for the same seed and epoch.

    Part, mirroring and colours are those of torchvision's `transforms.v2`.

    Parameters
    ----------
    preprocessing
        How large views are.
    seed, epoch
        What they depend on, beside the image's number.
    """

    def __init__(self, preprocessing: Preprocessing, seed: int, epoch: int) -> None:
        import_torchvision()
        from torchvision.transforms import InterpolationMode, v2

        crop = preprocessing.crop
        self._seed = seed * PRIME + epoch
        self._transform: Callable[[Image.Image], Image.Image] = v2.Compose(
            [
                v2.RandomResizedCrop(
                    (crop, crop),
                    scale=(LEAST_AREA, 1.0),
                    interpolation=InterpolationMode(preprocessing.interpolation),
                    antialias=True,
                ),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(COLOURS, COLOURS, COLOURS),
            ]
        )

    def __call__(
        self, image: Image.Image, number: int
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """Return a view of the image of this number, uint8 `[crop, crop, 3]`."""
        # torchvision draws from torch's global generator.
        with torch.random.fork_rng(devices=()):
            torch.manual_seed((self._seed * PRIME + number) % SEEDS)
            return np.array(self._transform(image), np.uint8)
