"""usearch: a graph over vectors of fewer bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.nearest.job import Job, Library, answer

BLOCK = 20_000
EXPANSION = (32, 64, 96, 128, 160, 200, 250, 320, 400, 500, 700, 1000, 1400)


class Usearch(Library):
    """Inner products, connectivity 16 and expansion_add 128 as by default; bf16 or i8."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        import usearch
        from usearch.index import Index

        self._made = Index
        self.version = usearch.__version__
        self._dtype = str(job.options.get("dtype", "bf16"))
        self.built_as = f"HNSW, connectivity 16, expansion_add 128, {self._dtype}"

    def build(self, vectors: Any) -> None:
        """Add all, a block at a time."""
        self._index = self._made(
            ndim=vectors.shape[1],
            metric="ip",
            dtype=self._dtype,
            connectivity=16,
            expansion_add=128,
        )
        for start in range(0, len(vectors), BLOCK):
            block = np.array(vectors[start : start + BLOCK])
            keys = np.arange(start, start + len(block))
            self._index.add(keys, block, threads=self.job.threads)

    def settings(self) -> list[list[dict[str, Any]]]:
        """One row: the candidates that are kept."""
        return [[{"expansion_search": expansion} for expansion in EXPANSION]]

    def use(self, setting: dict[str, Any]) -> None:
        """Keep so many candidates."""
        self._index.expansion_search = setting["expansion_search"]

    def ask(self, query: Any) -> Any:
        """Ask for ten, on one thread."""
        return self._index.search(query, 10, threads=1).keys

    def save(self, folder: Path) -> None:
        """Write it."""
        self._index.save(str(folder / "index.usearch"))


if __name__ == "__main__":
    answer(Usearch)
