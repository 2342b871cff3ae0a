"""Importing torchvision beside any build of torch.

The ordinary torchvision wheel carries an extension built for CUDA. Beside a CPU-only torch the
extension does not load, and then the import itself fails over an operator that it would have
declared, `torchvision::nms` (pytorch/vision#9085, pytorch/pytorch#122494). The engine detects no
objects, so it declares the operators' schemas and never calls them.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch

_SCHEMAS = ("nms", "qnms")
_ARGUMENTS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def import_torchvision() -> None:
    """Import torchvision, with its operators declared where its extension cannot be loaded."""
    if "torchvision" not in sys.modules and not _extension_loads():
        # torch forgets a declaration when its Library object goes; the module keeps it.
        library = torch.library.Library("torchvision", "DEF")
        for name in _SCHEMAS:
            library.define(name + _ARGUMENTS)
        torch.__dict__.setdefault("_image_engine_declared", library)
    import torchvision  # noqa: F401


def _extension_loads() -> bool:
    spec = importlib.util.find_spec("torchvision")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    for path in sorted(folder.glob("_C*")) if folder else ():
        try:
            torch.ops.load_library(path)
        except (OSError, ImportError, RuntimeError):
            continue
        return True
    return False
