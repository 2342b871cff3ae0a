"""hnswlib: a graph over float32 vectors."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.nearest.job import Job, Library, answer

BLOCK = 20_000
EF = (20, 30, 40, 60, 80, 100, 120, 150, 180, 220, 270, 330, 400, 500, 700, 1000)


class Hnswlib(Library):
    """As its README builds it: inner products, M=16, ef_construction=200."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        import hnswlib

        self._made = hnswlib.Index
        self.version = version("hnswlib")
        self._m = int(job.options.get("m", 16))
        self.built_as = f"HNSW, M={self._m}, ef_construction=200, float32"

    def build(self, vectors: Any) -> None:
        """Add all, a block at a time."""
        self._index = self._made(space="ip", dim=vectors.shape[1])
        self._index.init_index(max_elements=len(vectors), ef_construction=200, M=self._m)
        self._index.set_num_threads(self.job.threads)
        for start in range(0, len(vectors), BLOCK):
            block = np.array(vectors[start : start + BLOCK])
            self._index.add_items(block, np.arange(start, start + len(block)))
        self._index.set_num_threads(1)

    def settings(self) -> list[list[dict[str, Any]]]:
        """One row: the candidates that are kept."""
        return [[{"ef": ef} for ef in EF]]

    def use(self, setting: dict[str, Any]) -> None:
        """Keep so many candidates."""
        self._index.set_ef(setting["ef"])

    def ask(self, query: Any) -> Any:
        """Ask for ten."""
        return self._index.knn_query(query[None], 10)[0][0]

    def save(self, folder: Path) -> None:
        """Write it."""
        self._index.save_index(str(folder / "index.bin"))


if __name__ == "__main__":
    answer(Hnswlib)
