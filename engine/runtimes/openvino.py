"""OpenVINO on the CPU: the default runtime."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.preprocess import Pixels
from index.records import Floats

if TYPE_CHECKING:
    from torch import nn

_PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16"}


def import_openvino() -> Any:
    """Return the module `openvino`, imported with its telemetry switched off.

    OpenVINO reports its own import over the network where the package `openvino_telemetry` can
    be imported, and falls back to a silent stub where it cannot. A None in `sys.modules` makes it
    one that cannot.
    """
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return openvino


class OpenVINORuntime:
    """A backbone compiled for this CPU.

    Every picture is a request of its own: the requests run side by side, and none can depend on
    another. Several at once use all cores; one alone is a batch of one.

    Parameters
    ----------
    model
        The network, as `save_model` wrote it.
    compiled
        Folder in which OpenVINO keeps compiled models.
    dim
        Length of an embedding.
    precision
        `fp32` or `bf16`.
    """

    def __init__(self, model: Path, compiled: Path, dim: int, precision: str) -> None:
        openvino = import_openvino()
        self._dim = dim
        self.name = f"openvino {precision}"
        core = openvino.Core()
        options = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": _PRECISION_HINTS[precision],
        }
        if _can_write(compiled):
            options["CACHE_DIR"] = str(compiled)
        self._queue = openvino.AsyncInferQueue(core.compile_model(str(model), "CPU", options))

    def embed(self, pixels: Pixels) -> Floats:
        """Return embeddings float32 `[n, dim]` of pixels uint8 `[n, crop, crop, 3]`."""
        embeddings = np.empty((len(pixels), self._dim), np.float32)

        def keep(request: Any, row: int) -> None:
            embeddings[row] = request.get_output_tensor(0).data[0]

        self._queue.set_callback(keep)
        for row in range(len(pixels)):
            self._queue.start_async({0: pixels[row : row + 1]}, row)
        self._queue.wait_all()
        return embeddings


def save_model(module: nn.Module, crop: int, path: Path) -> None:
    """Convert a torch module that takes pixels uint8 `[1, crop, crop, 3]` and write it."""
    import torch

    openvino = import_openvino()
    example = torch.zeros(1, crop, crop, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        # The converter traces the module with torch.jit, which torch calls deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        model = openvino.convert_model(module, example_input=example, input=[1, crop, crop, 3])
    openvino.save_model(model, str(path), compress_to_fp16=False)


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return True
