"""OpenVINO on the CPU: the default runtime."""

from __future__ import annotations

import sys
import warnings
from collections import deque
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.pictures.preprocess import Pixels
from engine.runtimes.compiled_cache import CompiledCache
from index.records import Floats

if TYPE_CHECKING:
    from torch import nn

# Requests beside those that run, so that one is ready whenever another ends.
SPARE = 2
BATCH = 32
# Longer than other threads need for what they have begun.
PATIENCE_SECONDS = 30.0
_CONVERTER = "openvino.tools.ovc"


def import_openvino() -> Any:
    """Return the module `openvino`, imported without its telemetry and, at first, its converter.

    OpenVINO reports its own use over the network where the package `openvino_telemetry` can be
    imported, and falls back to a silent stub where it cannot. A None in `sys.modules` makes it one
    that cannot. Its converter is half of what importing it costs, and it does without that, too;
    `openvino.convert_model` imports it when called.
    """
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
        sys.modules[_CONVERTER] = None  # type: ignore[assignment]
        try:
            import openvino
        finally:
            sys.modules.pop(_CONVERTER, None)
        if not hasattr(openvino, "convert_model"):
            openvino.convert_model = _convert_model
    import openvino

    return openvino


def _convert_model(*arguments: Any, **settings: Any) -> Any:
    """Do what OpenVINO's function of this name does."""
    return import_module(_CONVERTER).convert_model(*arguments, **settings)


class OpenVINORuntime:
    """A backbone compiled for this CPU.

    Every picture is a request of its own: the requests run side by side, and none can depend on
    another. Several at once use all cores, whether one thread asks for them or several do; one
    alone is a batch of one. They are waited for in turn, and nothing calls back into Python, so
    inference goes on while Python does other work.

    Parameters
    ----------
    model
        The network, as `save_model` wrote it.
    compiled
        Where OpenVINO keeps compiled models.
    dim
        Length of an embedding.
    precision
        `fp32`, `bf16` or `int8`, for the name.
    bf16
        Compute in bfloat16; in int8, what is left in floating point.
    threads
        Cores to run on; None for all.

    Attributes
    ----------
    from_cache
        Whether OpenVINO has compiled nothing, and so has not read the network's weights.
    patience_seconds
        How long a thread waits for a request that others use before it takes a new one.
    """

    def __init__(
        self,
        model: Path,
        compiled: CompiledCache,
        dim: int,
        precision: str,
        *,
        bf16: bool,
        threads: int | None = None,
    ) -> None:
        openvino = import_openvino()
        self._dim = dim
        self.name = f"openvino {precision}"
        core = openvino.Core()
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        }
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
            # Who asks for some of the cores shares them with others, who would be pinned to the
            # same first ones.
            options["ENABLE_CPU_PINNING"] = False
        if compiled.is_usable:
            options["CACHE_DIR"] = str(compiled.folder)
        compiled_model = core.compile_model(str(model), "CPU", options)
        self.from_cache = bool(compiled_model.get_property("LOADED_FROM_CACHE"))
        if compiled.is_usable:
            compiled.note()
        side_by_side = compiled_model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self.batch = max(BATCH, 4 * side_by_side)
        self._tensor = openvino.Tensor
        self._free: SimpleQueue[Any] = SimpleQueue()
        for _ in range(side_by_side + SPARE):
            self._free.put(compiled_model.create_infer_request())
        self.patience_seconds = PATIENCE_SECONDS
        self._new_request = compiled_model.create_infer_request

    def embed(self, pixels: Pixels) -> Floats:
        """Return embeddings float32 `[n, dim]` of pixels uint8 `[n, crop, crop, 3]`."""
        # OpenVINO reads them where they lie, which it does of writable memory only.
        pixels = np.require(pixels, np.uint8, ["C", "W"])
        embeddings = np.empty((len(pixels), self._dim), np.float32)
        running: deque[tuple[Any, int]] = deque()
        try:
            self._run(pixels, embeddings, running)
        finally:
            # Nothing else keeps `pixels` alive for them, after an interrupt either.
            for request, _ in running:
                with suppress(RuntimeError):
                    request.wait()
                self._free.put(request)
        return embeddings

    def _run(self, pixels: Pixels, embeddings: Floats, running: deque[tuple[Any, int]]) -> None:
        for row in range(len(pixels)):
            request = self._free_request(embeddings, running)
            running.append((request, row))
            request.set_input_tensor(0, self._tensor(pixels[row : row + 1], shared_memory=True))
            request.start_async()
        while running:
            self._free.put(_finished(embeddings, running))

    def _free_request(self, embeddings: Floats, running: deque[tuple[Any, int]]) -> Any:
        """Return a request that nobody uses: a free one, else this thread's oldest when it ends."""
        try:
            return self._free.get_nowait()
        except Empty:
            if running:
                return _finished(embeddings, running)
        try:
            return self._free.get(timeout=self.patience_seconds)
        except Empty:
            # An interrupt in the wrong moment has lost some.
            return self._new_request()


def _finished(embeddings: Floats, running: deque[tuple[Any, int]]) -> Any:
    """Wait for the oldest request, keep what it computed, and return it."""
    request, row = running[0]
    request.wait()
    embeddings[row] = request.get_output_tensor(0).data[0]
    running.popleft()
    return request


def save_model(module: nn.Module, crop: int, path: Path) -> None:
    """Export a torch module that takes pixels uint8 `[1, crop, crop, 3]`, and write it."""
    import torch

    openvino = import_openvino()
    example = torch.zeros(1, crop, crop, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        # The converter traces the module with torch.jit, which torch calls deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        model = openvino.convert_model(module, example_input=example, input=[1, crop, crop, 3])
    openvino.save_model(model, str(path), compress_to_fp16=False)


def prefers_bf16() -> bool:
    """Say whether OpenVINO would compute in bfloat16 by itself: where that is native."""
    openvino = import_openvino()
    chosen = openvino.Core().get_property("CPU", "INFERENCE_PRECISION_HINT")
    return bool(chosen == openvino.Type.bf16)
