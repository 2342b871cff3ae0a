"""fastdup: closed, with a small network of its own inside the package.

Runs in an environment of its own (it wants numpy 1), hence nothing of the engine is imported here.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.job import Job, Peer, answer

EXTRACT_ONLY = 1
# `run_sentry=0` and the variable switch off what it would report, in C++ and in Python.
OPTIONS = "nnmodel=0,run_sentry=0"
OPT_OUT = "SENTRY_OPT_OUT"


class FastdupPeer(Peer):
    """`fastdup.run` up to the features: no nearest neighbours, no outliers.

    The network is loaded anew by each call, so a call's time holds that, and a call waits for
    its threads in whole seconds. Over thousands of pictures neither matters.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        os.environ[OPT_OUT] = "1"
        os.environ["HOME"] = job.work  # it leaves files there
        import fastdup

        self._fastdup = fastdup
        self.version = fastdup.__version__
        self._folder = Path(job.work)

    def embed(self, folder: str, files: Sequence[str]) -> None:
        """Embed pictures and leave the features in a file, as it always does."""
        self._folder = Path(tempfile.mkdtemp(dir=self.job.work))
        code = self._fastdup.run(
            input_dir=list(files),
            work_dir=str(self._folder),
            run_mode=EXTRACT_ONLY,
            turi_param=OPTIONS,
        )
        if code != 0:
            raise RuntimeError(f"fastdup returned {code}")

    def features(self, files: Sequence[str]) -> Any:
        """Return the features written last."""
        import numpy as np

        names, rows = self._fastdup.load_binary_feature(str(self._folder / "atrain_features.dat"))
        place = {os.path.realpath(name): row for row, name in enumerate(names)}
        return np.stack([rows[place[os.path.realpath(file)]] for file in files])


if __name__ == "__main__":
    answer(FastdupPeer)
