"""Intel's Scalable Vector Search: a graph; its own codes (LVQ, LeanVec) need an Intel processor."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.nearest.job import Job, Library, answer

WINDOWS = (10, 15, 20, 30, 40, 50, 60, 80, 100, 130, 160, 200, 250, 320, 400, 600, 1000)


class Svs(Library):
    """Vamana, degree 32 and window 100 at the build, alpha 0.95, over float16."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        import svs

        self._svs = svs
        self.version = version("scalable-vs")
        self.built_as = "Vamana, degree 32, window 100, alpha 0.95, float16"

    def build(self, vectors: Any) -> None:
        """Build it of an array in memory, which it copies."""
        svs = self._svs
        parameters = svs.VamanaBuildParameters(alpha=0.95, graph_max_degree=32, window_size=100)
        half = vectors.astype(np.float16)
        threads = self.job.threads
        self._index = svs.Vamana.build(parameters, half, svs.DistanceType.MIP, num_threads=threads)
        self._index.num_threads = 1

    def settings(self) -> list[list[dict[str, Any]]]:
        """One row: the candidates that are kept."""
        return [[{"search_window_size": window} for window in WINDOWS]]

    def use(self, setting: dict[str, Any]) -> None:
        """Keep so many candidates."""
        self._index.search_window_size = setting["search_window_size"]

    def ask(self, query: Any) -> Any:
        """Ask for ten."""
        return self._index.search(query[None], 10)[0][0]

    def save(self, folder: Path) -> None:
        """Write it."""
        self._index.save(*(str(folder / name) for name in ("config", "graph", "data")))


if __name__ == "__main__":
    answer(Svs)
