"""imagededup: its CNN method with ResNet50 as the custom model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from benchmarks.peers.job import Job, Peer, answer


class ImagededupPeer(Peer):
    """`CNN.encode_images` on a folder; the option `workers` is its `num_enc_workers`."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        from engine.backbones.torchvision_import import import_torchvision

        import_torchvision()
        from importlib.metadata import version

        from imagededup.methods import CNN
        from imagededup.utils import CustomModel

        from benchmarks.peers.resnet50 import trunk_and_transform

        self.version = version("imagededup")
        trunk, transform = trunk_and_transform()
        model = CustomModel(name="resnet50", model=trunk, transform=transform)
        self._encoder = CNN(verbose=False, model_config=model)
        self._workers = int(job.options.get("workers", "0"))
        self._embeddings: dict[str, Any] = {}

    def embed(self, folder: str, files: Sequence[str]) -> None:
        """Embed everything below a folder."""
        self._embeddings = self._encoder.encode_images(
            folder, recursive=True, num_enc_workers=self._workers
        )

    def features(self, files: Sequence[str]) -> Any:
        """Return the embeddings made last."""
        import numpy as np

        names = [os.path.relpath(file, self.job.folder) for file in files]
        return np.stack([self._embeddings[name] for name in names])


if __name__ == "__main__":
    answer(ImagededupPeer)
