"""img2vec_pytorch: ResNet50 through its own interface, lists of pictures at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.peers.job import Job, Peer, answer

BATCH = 32


class Img2VecPeer(Peer):
    """`Img2Vec.get_vec` on lists of opened pictures, as its documentation shows."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        from engine.backbones.torchvision_import import import_torchvision

        import_torchvision()
        from importlib.metadata import version

        from img2vec_pytorch import Img2Vec

        self.version = version("img2vec_pytorch")
        self._network = Img2Vec(cuda=False, model="resnet50", layer_output_size=2048)
        self._embeddings: list[Any] = []

    def embed(self, folder: str, files: Sequence[str]) -> None:
        """Embed pictures, 32 at a time."""
        from PIL import Image

        self._embeddings = []
        for start in range(0, len(files), BATCH):
            images = []
            for file in files[start : start + BATCH]:
                with Image.open(file) as opened:
                    images.append(opened.convert("RGB"))
            self._embeddings.append(self._network.get_vec(images))

    def features(self, files: Sequence[str]) -> Any:
        """Return the embeddings made last."""
        import numpy as np

        return np.concatenate(self._embeddings)


if __name__ == "__main__":
    answer(Img2VecPeer)
