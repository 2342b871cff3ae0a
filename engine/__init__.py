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
    from engine.export.results import ExportReport
    from engine.heads.options import TrainOptions
    from engine.heads.results import Classification, HeadInfo, Prediction
    from engine.ingest.cluster.options import ClusterOptions
    from engine.ingest.results import IndexReport, RemoveReport
    from engine.learning.compare.options import CompareOptions
    from engine.learning.finetune.options import FinetuneOptions
    from engine.learning.results import (
        Comparison,
        Evaluation,
        FinetuneReport,
        HeadReport,
        Suspect,
        SuspectReport,
        TrainReport,
    )
    from engine.learning.teaching.judgement_collection import JudgedCategory, Judgements
    from engine.learning.teaching.lesson import AskedImage, CategoryEstimate, FoundImage, Lesson
    from engine.learning.teaching.saving import SavedLesson
    from engine.progress import Reporter
    from engine.search.duplicates.moves.results import MovedFile, MoveReport, UndoReport
    from engine.search.duplicates.tidying import (
        DistinctReport,
        RestoreReport,
        TrashReport,
        Undoable,
    )
    from engine.search.map.results import CatalogMap, MapReport
    from engine.search.results import (
        DuplicateGroup,
        DuplicateImage,
        EmbeddedImages,
        Hit,
        SearchReport,
        Understood,
    )
    from engine.session.status import ShardStatus, Status
    from engine.skipped import Skipped

__version__ = "0.1.0"
__all__ = [
    "AskedImage",
    "CatalogMap",
    "CategoryEstimate",
    "Classification",
    "ClusterOptions",
    "CompactReport",
    "CompareOptions",
    "Comparison",
    "Config",
    "DistinctReport",
    "DuplicateGroup",
    "DuplicateImage",
    "EmbeddedImages",
    "Engine",
    "EngineError",
    "Evaluation",
    "ExportReport",
    "FinetuneOptions",
    "FinetuneReport",
    "FoundImage",
    "HeadInfo",
    "HeadReport",
    "Hit",
    "ImageError",
    "IndexReport",
    "IngestOptions",
    "JudgedCategory",
    "Judgements",
    "Lesson",
    "MapReport",
    "MoveReport",
    "MovedFile",
    "Prediction",
    "RelocateReport",
    "RemoveReport",
    "Reporter",
    "RestoreReport",
    "SavedLesson",
    "SearchReport",
    "ShardStatus",
    "Skipped",
    "Status",
    "Suspect",
    "SuspectReport",
    "TrainOptions",
    "TrainReport",
    "TrashReport",
    "Understood",
    "UndoReport",
    "Undoable",
    "UrlLimits",
    "UsageError",
]

_ROOMS = {
    "AskedImage": "engine.learning.teaching.lesson",
    "CatalogMap": "engine.search.map.results",
    "CategoryEstimate": "engine.learning.teaching.lesson",
    "Classification": "engine.heads.results",
    "ClusterOptions": "engine.ingest.cluster.options",
    "CompactReport": "engine.session.compact",
    "CompareOptions": "engine.learning.compare.options",
    "Comparison": "engine.learning.results",
    "Config": "engine.config",
    "DistinctReport": "engine.search.duplicates.tidying",
    "DuplicateGroup": "engine.search.results",
    "DuplicateImage": "engine.search.results",
    "EmbeddedImages": "engine.search.results",
    "Engine": "engine.engine",
    "EngineError": "engine.errors",
    "Evaluation": "engine.learning.results",
    "ExportReport": "engine.export.results",
    "FinetuneOptions": "engine.learning.finetune.options",
    "FinetuneReport": "engine.learning.results",
    "FoundImage": "engine.learning.teaching.lesson",
    "HeadInfo": "engine.heads.results",
    "HeadReport": "engine.learning.results",
    "Hit": "engine.search.results",
    "ImageError": "engine.errors",
    "IndexReport": "engine.ingest.results",
    "IngestOptions": "engine.ingest.options",
    "JudgedCategory": "engine.learning.teaching.judgement_collection",
    "Judgements": "engine.learning.teaching.judgement_collection",
    "Lesson": "engine.learning.teaching.lesson",
    "MapReport": "engine.search.map.results",
    "MoveReport": "engine.search.duplicates.moves.results",
    "MovedFile": "engine.search.duplicates.moves.results",
    "Prediction": "engine.heads.results",
    "RelocateReport": "engine.ingest.results",
    "RemoveReport": "engine.ingest.results",
    "Reporter": "engine.progress",
    "RestoreReport": "engine.search.duplicates.tidying",
    "SavedLesson": "engine.learning.teaching.saving",
    "SearchReport": "engine.search.results",
    "Skipped": "engine.skipped",
    "ShardStatus": "engine.session.status",
    "Status": "engine.session.status",
    "Suspect": "engine.learning.results",
    "SuspectReport": "engine.learning.results",
    "TrainOptions": "engine.heads.options",
    "TrainReport": "engine.learning.results",
    "TrashReport": "engine.search.duplicates.tidying",
    "UndoReport": "engine.search.duplicates.moves.results",
    "Understood": "engine.search.results",
    "Undoable": "engine.search.duplicates.tidying",
    "UrlLimits": "engine.config",
    "UsageError": "engine.errors",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)
