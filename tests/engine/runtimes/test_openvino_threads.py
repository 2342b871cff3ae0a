"""Several threads share a runtime: each gets its own embeddings, whatever becomes of another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from engine.backbones.table import backbone_named
from engine.pictures.preprocess import Pixels
from engine.runtimes import open_runtime
from engine.runtimes.openvino import OpenVINORuntime
from engine.runtimes.openvino_export import ExportedModel

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
