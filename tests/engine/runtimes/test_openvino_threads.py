"""Several threads share a runtime: each gets its own embeddings, whatever becomes of another."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.backbones.table import backbone_named
from engine.pictures.preprocess import Pixels
from engine.runtimes import open_runtime
from engine.runtimes.openvino import OpenVINORuntime
from engine.runtimes.openvino_export import ExportedModel
from tests.support import REPOSITORY

LITE0 = backbone_named("efficientnet_lite0")


@pytest.fixture
def openvino(exported: ExportedModel) -> OpenVINORuntime:
    runtime = open_runtime("openvino", LITE0, exported, "fp32")
    assert isinstance(runtime, OpenVINORuntime)
    return runtime


@pytest.mark.slow
@pytest.mark.parametrize("threads", [2, 16])
def test_threads_get_what_one_alone_would_get(
    openvino: OpenVINORuntime, renders: Pixels, threads: int
) -> None:
    alone = openvino.embed(renders)

    def embed(start: int) -> bool:
        some = np.roll(renders, -start, axis=0)[: 1 + start % 7]
        return np.array_equal(openvino.embed(some), np.roll(alone, -start, axis=0)[: len(some)])

    with ThreadPoolExecutor(threads) as pool:
        assert all(pool.map(embed, range(4 * threads)))


@pytest.mark.slow
def test_who_embeds_many_leaves_room_for_others(openvino: OpenVINORuntime, renders: Pixels) -> None:
    many = np.concatenate([renders] * 8)
    with ThreadPoolExecutor(2) as pool:
        long = pool.submit(openvino.embed, many)
        short = pool.submit(openvino.embed, renders[:1])
        assert short.result().shape == (1, LITE0.dim)
        assert len(long.result()) == len(many)


def test_a_request_that_fails_is_used_again(
    openvino: OpenVINORuntime, renders: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = openvino.embed(renders[:2])

    def refused(*_: Any, **__: Any) -> None:
        raise RuntimeError("no memory for a tensor")

    with monkeypatch.context() as patched:
        patched.setattr(openvino, "_tensor", refused)
        for _ in range(20):
            with pytest.raises(RuntimeError, match="no memory"):
                openvino.embed(renders[:2])
    assert np.array_equal(openvino.embed(renders[:2]), expected)


def test_lost_requests_are_replaced(openvino: OpenVINORuntime, renders: Pixels) -> None:
    expected = openvino.embed(renders[:2])
    while not openvino._free.empty():
        openvino._free.get()
    openvino.patience_seconds = 0.01
    assert np.array_equal(openvino.embed(renders[:2]), expected)


SHARING = """
import os, sys
from contextlib import suppress
from pathlib import Path
from threading import Thread
import numpy as np
from engine import Config
from engine.embedding.choose import choose_embedder
from engine.progress import SILENT
config = Config.at(sys.argv[1], backbone="efficientnet_lite0", threads=1)
embedder = choose_embedder(config, None, SILENT)
side = embedder.backbone.preprocessing.crop
# To compile a network is another matter.
embedder.warm()
here = os.sched_getaffinity(0)
work = Thread(target=embedder.embed, args=([np.zeros((side, side, 3), np.uint8)] * 600,))
work.start()
# A thread is pinned for as long as it computes.
while work.is_alive():
    for task in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):
            assert os.sched_getaffinity(int(task.name)) == here
    work.join(0.01)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_a_process_that_has_some_of_the_cores_pins_none(own_cache: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SHARING, str(tmp_path / "store")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
