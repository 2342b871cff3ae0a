"""What one writes by hand: torchvision's ResNet50 behind a DataLoader with two workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.job import Job, Peer, answer

BATCH = 32
WORKERS = 2


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """Files as a data set of inputs."""

    files: Sequence[str]
    transform: Callable[[Any], Any]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> Any:
        from PIL import Image

        with Image.open(self.files[row]) as opened:
            return self.transform(opened.convert("RGB"))


class DataLoaderPeer(Peer):
    """The preset transforms in two worker processes, the network in this one."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        from benchmarks.peers.resnet50 import trunk_and_transform

        self._network, self._transform = trunk_and_transform()
        import torchvision

        self.version = torchvision.__version__
        self._embeddings: list[Any] = []

    def embed(self, folder: str, files: Sequence[str]) -> None:
        """Embed pictures, 32 at a time."""
        import torch
        from torch.utils.data import DataLoader

        images: Any = TrainingImages(files, self._transform)
        loader = DataLoader(images, batch_size=BATCH, num_workers=WORKERS)
        with torch.inference_mode():
            self._embeddings = [self._network(batch).numpy() for batch in loader]

    def features(self, files: Sequence[str]) -> Any:
        """Return the embeddings made last."""
        import numpy as np

        return np.concatenate(self._embeddings)


if __name__ == "__main__":
    answer(DataLoaderPeer)
