"""What tests of fine-tuning share: a short one, where its result is kept, and its learner."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from engine import Config, Engine
from engine.backbones.finetuned import FinetunedBackbones
from engine.backbones.weights import WeightsFile
from engine.embedding.choose import choose_embedder
from engine.embedding.embedder import Embedder
from engine.learning.data.collect import collect
from engine.learning.data.examples import Examples
from engine.learning.data.split import Split
from engine.learning.finetune.learner import BackboneLearner, start_learner
from engine.learning.finetune.options import FinetuneOptions
from engine.learning.results import FinetuneReport
from engine.progress import SILENT, Reporter
from tests.support.finetuning import Finetune, Tensors, split_of
from tests.support.images import copied_images


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of the test's own for what is fine-tuned."""
    monkeypatch.setenv("ENGINE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture(scope="session")
def quick() -> FinetuneOptions:
    """Three epochs of one step over six of the twelve images."""
    return FinetuneOptions("block6", epochs=3, batch=6, lr=1e-3, label_smoothing=0.0, augment=False)


@pytest.fixture(scope="module")
def made_once(
    drawn: Path, quick: FinetuneOptions, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, FinetuneReport]:
    """A folder for what is fine-tuned with `mine` in it, not to be changed, and its report."""
    folder = tmp_path_factory.mktemp("finetuned")
    pictures = copied_images(drawn, folder / "pictures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENGINE_DATA", str(folder / "data"))
        with Engine.open(folder / "nowhere") as engine:
            return folder / "data", engine.finetune(pictures, name="mine", options=quick)


@pytest.fixture
def mine(made_once: tuple[Path, FinetuneReport], data: Path) -> FinetuneReport:
    """The report of `mine`, fine-tuned on images like the test's; it is the test's own."""
    source, report = made_once
    shutil.copytree(source, data)
    return report


@pytest.fixture
def finetuned(tmp_path: Path, images: Path, data: Path, quick: FinetuneOptions) -> Finetune:
    """A function that fine-tunes the embedded backbone on the test's images."""

    def run(
        options: FinetuneOptions = quick,
        *,
        name: str = "mine",
        resume: bool = False,
        reporter: Reporter = SILENT,
    ) -> FinetuneReport:
        with Engine.open(tmp_path / "nowhere", reporter=reporter) as engine:
            return engine.finetune(images, name=name, options=options, resume=resume)

    return run


@pytest.fixture
def kept(data: Path) -> Callable[..., Tensors]:
    """A function that returns the tensors of a fine-tuned backbone."""

    def tensors(name: str = "mine") -> Tensors:
        weights = FinetunedBackbones(data).named(name).weights
        return load_file(getattr(weights, "path"))  # noqa: B009

    return tensors


@pytest.fixture
def embedder(tmp_path: Path, own_cache: Path) -> Embedder:
    """The backbone as it is."""
    return choose_embedder(Config.at(tmp_path / "nowhere"), None, SILENT)


@pytest.fixture
def examples(images: Path, embedder: Embedder) -> Examples:
    """The test's images: four of each of three categories."""
    return collect(str(images), embedder)


@pytest.fixture
def learner(
    embedder: Embedder, weights: WeightsFile, examples: Examples
) -> Callable[..., BackboneLearner]:
    """A function that returns what fine-tuning trains, of a split or the one it would draw."""

    def start(
        options: FinetuneOptions,
        split: Split | None = None,
        examples: Examples = examples,
        **more: Any,
    ) -> BackboneLearner:
        split = split or split_of(examples, options)
        return start_learner(embedder, weights.path, examples, split, options, **more)

    return start
