"""ScaNN: lists of short codes, whose best are compared once more."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.nearest.job import Job, Library, answer

LEAVES = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 400)
REORDERED = (50, 100, 200, 400)


class Scann(Library):
    """As its guide builds it: about 2 sqrt(n) leaves, asymmetric hashing of 2 dimensions a block.

    With SOAR, and reordering by bfloat16 unless the options say float32 or int8.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        import scann

        self._scann = scann
        self.version = version("scann")
        self._reorder = str(job.options.get("reorder", "bfloat16"))

    def build(self, vectors: Any) -> None:
        """Build it of an array in memory, which it asks for."""
        leaves = int(2 ** round(np.log2(2 * len(vectors) ** 0.5)))
        kinds = self._scann.ReorderType
        kind = {"float32": kinds.FLOAT32, "bfloat16": kinds.BFLOAT16, "int8": kinds.INT8}
        # This binding, as against TensorFlow's.
        builder = self._scann.scann_ops_pybind.builder(np.array(vectors), 10, "dot_product")
        builder.set_n_training_threads(self.job.threads)
        self._index = (
            builder.tree(
                leaves, 32, training_sample_size=min(len(vectors), 250_000), soar_lambda=1.5
            )
            .score_ah(2, anisotropic_quantization_threshold=0.2)
            .reorder(100, quantize=kind[self._reorder])
            .build()
        )
        self.built_as = f"{leaves} leaves, SOAR 1.5, AH 2 x 4 bits, reordered by {self._reorder}"

    def settings(self) -> list[list[dict[str, Any]]]:
        """For each number that is reordered a row of leaves that are searched."""
        return [[{"leaves": n, "reordered": best} for n in LEAVES] for best in REORDERED]

    def use(self, setting: dict[str, Any]) -> None:
        """Search so many leaves, and reorder so many."""
        self._leaves, self._best = setting["leaves"], setting["reordered"]

    def ask(self, query: Any) -> Any:
        """Ask for ten; one query is answered on one thread."""
        return self._index.search(query, 10, self._best, self._leaves)[0]

    def save(self, folder: Path) -> None:
        """Write it."""
        self._index.serialize(str(folder))


if __name__ == "__main__":
    answer(Scann)
