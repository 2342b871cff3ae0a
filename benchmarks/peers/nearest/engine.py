"""The engine's own index, which chooses its settings by itself when it is built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.peers.nearest.job import Job, Library, answer
from index.records import Floats, Ids
from index.state import Preference
from index.vectors.choose import choose_plan
from index.vectors.faiss_index import FaissIndex
from index.vectors.files import write_segment
from index.vectors.ivf.build import build_segment, sample_size

BLOCK = 20_000


class Engine(Library):
    """As `engine index` builds it of a catalog that stores float16."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.version = f"FAISS {faiss.__version__}"

    def build(self, vectors: Any) -> None:
        """Build it while vectors pass by, as they do from a catalog."""

        def blocks() -> Iterator[tuple[Ids, Floats]]:
            for start in range(0, len(vectors), BLOCK):
                block = np.array(vectors[start : start + BLOCK])
                yield np.arange(start, start + len(block), dtype=np.int64), block

        memory = self.job.options.get("memory")
        count, dim = vectors.shape
        plan = choose_plan(count, dim, "float16", Preference("compressed", memory))
        chosen = np.random.default_rng(0).permutation(count)[: sample_size(plan)].astype(np.int64)
        self._index = FaissIndex(Path(self.job.work), dim, "float16")
        self._index.segment = build_segment(plan, (chosen, np.array(vectors[chosen])), blocks())
        self.built_as = self._index.segment.kind

    def settings(self) -> list[list[dict[str, Any]]]:
        """None: probe margin and candidates were autotuned on vectors of the index."""
        autotuned = self._segment.autotuned
        margin = autotuned.margin(10)
        return [[{"probe margin": round(margin, 3), "candidates": autotuned.candidates}]]

    def use(self, setting: dict[str, Any]) -> None:
        """Nothing is set."""

    def ask(self, query: Any) -> Any:
        """Ask for ten."""
        return self._index.search(query[None], 10).ids[0]

    def save(self, folder: Path) -> None:
        """Write it."""
        write_segment(folder, self._segment, None)

    @property
    def _segment(self) -> Any:
        return self._index.segment


if __name__ == "__main__":
    answer(Engine)
