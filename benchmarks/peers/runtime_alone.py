"""The engine's runtime on pictures decoded beforehand: the most that indexing could reach."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.job import Job, Peer, SkipError, answer


class RuntimePeer(Peer):
    """`Embedder.embed` on pixels in memory, with the options `backbone` and `precision`."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        from engine import Config, EngineError, __version__
        from engine.embedding.choose import choose_embedder
        from engine.embedding.int8_calibration import quantized_embedder
        from engine.progress import SILENT

        self.version = __version__
        try:
            config = Config.at(Path(job.work) / "store", **job.options)
            if config.precision == "int8":
                self._embedder, _ = quantized_embedder(config, [job.folder], SILENT)
            else:
                self._embedder = choose_embedder(config, None, SILENT)
        except EngineError as error:
            raise SkipError(str(error)) from None
        self._pixels: list[Any] = []
        self._vectors: Any = None

    def prepare(self, files: Sequence[str]) -> None:
        """Decode the pictures."""
        self._pixels = [self._embedder.pixels(Path(file).read_bytes(), file) for file in files]

    def embed(self, folder: str, files: Sequence[str]) -> None:
        """Run the backbone on what was decoded."""
        self._vectors = self._embedder.embed(self._pixels)

    def features(self, files: Sequence[str]) -> Any:
        """Return the embeddings made last."""
        return self._vectors.unit


if __name__ == "__main__":
    answer(RuntimePeer)
