"""Fine-tuning: from a folder of examples to a backbone that tells them apart better."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Self

import numpy as np

from engine.backbones.finetuned import TunedBackbones, check_new_name
from engine.backbones.networks import load, load_state
from engine.backbones.table import Backbone
from engine.backbones.weights import WeightsCache, WeightsFile
from engine.config import INT8, Config
from engine.embedding.embedder import Embedder, choose_embedder
from engine.errors import TrainingError, UsageError
from engine.heads.fit import fit_layers
from engine.heads.head import Dense
from engine.heads.options import TrainOptions
from engine.heads.rows import Rows
from engine.heads.sampling import stratified_split
from engine.learning.collect import collect
from engine.learning.finetune.checkpoint import load_checkpoint, require_writable, save_checkpoint
from engine.learning.finetune.images import TrainingImages
from engine.learning.finetune.loop import Loop, Split, State
from engine.learning.finetune.network import Network
from engine.learning.finetune.options import FinetuneOptions
from engine.learning.results import DIVERGED, FinetuneReport
from engine.progress import Reporter
from index.records import Floats, Ids


@dataclass(frozen=True, slots=True)
class Material:
    """What a fine-tuning learns from.

    Attributes
    ----------
    pictures
        The pictures that can be read.
    unit
        Their embeddings by the backbone as it is, float32 `[n, dim]`.
    categories
        Names of the labels.
    contents
        SHA-256 of each file.
    """

    images: TrainingImages
    unit: Floats
    categories: tuple[str, ...]
    contents: Sequence[str]


class FineTuner:
    """Fine-tunes one backbone.

    Parameters
    ----------
    config
        How the engine works.
    embedder
        The backbone as it is.
    weights
        The file that it was made from.
    """

    def __init__(self, config: Config, embedder: Embedder, weights: WeightsFile) -> None:
        self._config = config
        self._embedder = embedder
        self._weights = weights
        self._tuned = TunedBackbones(config.data)

    @classmethod
    def of(cls, config: Config, reporter: Reporter) -> Self:
        """Return one for the backbone that a new catalog would get."""
        if config.precision == INT8:
            raise UsageError("int8", "quantized weights cannot be trained", "Leave --precision out")
        embedder = choose_embedder(config, None, reporter)
        weights = WeightsCache(config.cache).find(embedder.backbone)
        assert weights is not None  # choose_embedder fetched them
        return cls(config, embedder, weights)

    def run(
        self, dataset: str, name: str, options: FinetuneOptions, *, resume: bool = False
    ) -> FinetuneReport:
        """Train, and keep the best state as a backbone of its own.

        Ctrl-C ends the training after it has begun; what was best so far is kept.

        Raises
        ------
        UsageError
            There is no such folder or block, or the name is taken by the engine.
        TrainingError
            Too few pictures, or a checkpoint of another run.
        """
        check_new_name(name)
        started = time.monotonic()
        found = collect(dataset, self._embedder)
        categories, labels = found.categories, found.labels
        material = Material(
            self._images(found.paths, labels), found.vectors.unit, categories, found.hashes
        )
        split = Split(*stratified_split(labels.tolist(), options.validation, options.seed))
        embedded = time.monotonic()
        network, state, stopped, notes = self._train(name, material, split, options, resume)
        row = self._keep(name, network, state, material, options, dataset)
        self._tuned.checkpoint(name).unlink(missing_ok=True)
        best = state.history[state.best_epoch]
        return FinetuneReport(
            backbone=name,
            base=self._embedder.backbone.name,
            fingerprint=row.fingerprint(row.weights.sha256),
            block=options.block,
            trained_parameters=network.trained_parameters,
            categories=categories,
            images=len(labels),
            validation_images=len(split.held),
            validation_accuracy_before=state.history[0]["validation_accuracy"],
            validation_accuracy=best["validation_accuracy"],
            epochs=state.epoch,
            best_epoch=state.best_epoch,
            interrupted=stopped,
            seconds_embed=embedded - started,
            seconds_train=time.monotonic() - embedded,
            history=state.history,
            skipped=found.skipped,
            notes=notes,
        )

    def _train(
        self,
        name: str,
        material: Material,
        split: Split,
        options: FinetuneOptions,
        resume: bool,
    ) -> tuple[Network, State, bool, list[str]]:
        """Return the network as it was best, the last state, whether Ctrl-C ended it, and notes."""
        reporter, checkpoint = self._embedder.reporter, self._tuned.checkpoint(name)
        run = self._identity(material, options)
        before = load_checkpoint(checkpoint, run) if resume else None
        network = self._network(material, split, options)
        require_writable(checkpoint)
        loop = Loop(network, material.images, split, options)
        state = before or loop.start()
        if before is not None:
            loop.resume(before)
        passes = loop.passes(
            state, lambda done, total: reporter.progress("training", done, total, "images")
        )
        stopped = False
        try:
            for latest in passes:
                state = latest
                save_checkpoint(checkpoint, run, state)
        except KeyboardInterrupt:
            if not state.epoch:
                raise
            stopped = True
        if loop.diverged and not state.epoch:
            raise TrainingError(
                f"learning rate {options.lr:g}",
                "the loss is no number after one pass",
                "Take a smaller --learning-rate",
            )
        network.load_trained(state.best)
        return network, state, stopped, [DIVERGED] if loop.diverged else []

    def _network(self, material: Material, split: Split, options: FinetuneOptions) -> Network:
        """Return the network with a layer on top that knows the untouched embeddings."""
        backbone = self._embedder.backbone
        scale = float(np.sqrt(backbone.dim) / 4)
        rows = Rows(material.unit, material.images.labels, scale=scale)
        top: Dense = fit_layers(
            Rows(rows.values, rows.labels, split.kept, scale),
            len(material.categories),
            TrainOptions(seed=options.seed),
            validation=Rows(rows.values, rows.labels, split.held, scale),
        ).layers[0]
        frozen = load(backbone, self._weights.path).module
        return Network(backbone, frozen, options, top, scale)

    def _keep(
        self,
        name: str,
        network: Network,
        state: State,
        material: Material,
        options: FinetuneOptions,
        dataset: str,
    ) -> Backbone:
        from safetensors.torch import save

        base = self._embedder.backbone
        tensors = load_state(base, self._weights.path) | network.backbone_state()
        content = save({key: tensor.contiguous() for key, tensor in tensors.items()})
        sha256 = hashlib.sha256(content).hexdigest()
        facts = {
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "dataset": dataset,
            "categories": material.categories,
            "images": len(material.contents),
            "options": asdict(options),
            "epochs": state.epoch,
            "best_epoch": state.best_epoch,
            "history": state.history,
        }
        return self._tuned.keep(name, base, content, sha256, facts)

    def _images(self, paths: Sequence[str], labels: Ids) -> TrainingImages:
        return TrainingImages(
            paths,
            labels,
            self._embedder.backbone.preprocessing,
            self._config.max_pixels,
            self._config.decoders,
        )

    def _identity(self, material: Material, options: FinetuneOptions) -> str:
        """Return what tells this run from every other."""
        facts = [
            self._embedder.fingerprint,
            asdict(options),
            material.categories,
            material.images.labels.tolist(),
            list(material.contents),
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
