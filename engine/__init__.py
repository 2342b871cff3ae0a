"""Looks at pictures once, then answers: what does this look like, and what is it?

    from engine import Engine

    with Engine.open("shop.engine") as engine:
        engine.index(["./catalog"])
        for hit in engine.search("chair.jpg", k=5):
            print(hit.score, hit.path)

The public names are those in `__all__`. Each is imported when it is first asked for, so that
`import engine` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.config import Config, UrlLimits
    from engine.engine import Engine
    from engine.errors import EngineError, ImageError, UsageError
    from engine.heads.options import TrainOptions
    from engine.learning.compare.options import CompareOptions
    from engine.learning.finetune.options import FinetuneOptions
    from engine.learning.results import Comparison, FinetuneReport, HeadReport, TrainReport
    from engine.progress import Reporter
    from engine.results import (
        Classification,
        DuplicateGroup,
        Evaluation,
        ExportReport,
        HeadInfo,
        Hit,
        IndexReport,
        Prediction,
        RemoveReport,
        SearchReport,
        Skipped,
        Status,
    )

__version__ = "0.1.0"
__all__ = [
    "Classification",
    "CompactReport",
    "CompareOptions",
    "Comparison",
    "Config",
    "DuplicateGroup",
    "Engine",
    "EngineError",
    "Evaluation",
    "ExportReport",
    "FinetuneOptions",
    "FinetuneReport",
    "HeadInfo",
    "HeadReport",
    "Hit",
    "ImageError",
    "IndexReport",
    "IngestOptions",
    "Prediction",
    "RelocateReport",
    "RemoveReport",
    "Reporter",
    "SearchReport",
    "Skipped",
    "Status",
    "TrainOptions",
    "TrainReport",
    "UrlLimits",
    "UsageError",
]

_ROOMS = {
    "CompareOptions": "engine.learning.compare.options",
    "Comparison": "engine.learning.results",
    "Config": "engine.config",
    "UrlLimits": "engine.config",
    "Engine": "engine.engine",
    "EngineError": "engine.errors",
    "ImageError": "engine.errors",
    "IngestOptions": "engine.ingest.options",
    "UsageError": "engine.errors",
    "Reporter": "engine.progress",
    "FinetuneOptions": "engine.learning.finetune.options",
    "FinetuneReport": "engine.learning.results",
    "HeadReport": "engine.learning.results",
    "TrainOptions": "engine.heads.options",
    "TrainReport": "engine.learning.results",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    return getattr(import_module(_ROOMS.get(name, "engine.results")), name)
