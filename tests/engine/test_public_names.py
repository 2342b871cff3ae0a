"""What `import engine` offers, and what it costs."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest

import engine
from tests.support import REPOSITORY

NAMES = [
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
HEAVY = {"torch", "torchvision", "timm", "faiss", "openvino", "sqlalchemy", "sklearn", "numpy"}


def test_the_public_names_are_these() -> None:
    assert engine.__all__ == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_public_name_is_a_documented_class(name: str) -> None:
    found = getattr(engine, name)
    assert inspect.isclass(found)
    assert found.__name__ == name
    assert found.__doc__


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Embedding'"):
        _ = engine.Embedding  # type: ignore[attr-defined]


def test_each_verb_of_the_engine_is_documented() -> None:
    verbs = [name for name in dir(engine.Engine) if not name.startswith("_")]
    assert {"index", "search", "classify", "train", "finetune", "compare"} <= set(verbs)
    assert [name for name in verbs if not inspect.getdoc(getattr(engine.Engine, name))] == []


def test_importing_the_public_names_imports_nothing_heavy() -> None:
    code = "from engine import *; import json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert "engine" in loaded
    assert loaded & HEAVY == set()
