"""Fine-tuning, step by step: from a folder of images to a backbone that tells them apart better."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import torch

from engine.backbones.finetuned import FinetunedBackbones, check_new_name
from engine.backbones.learned import learned_contents, learned_note
from engine.backbones.networks import load_state
from engine.backbones.table import Backbone
from engine.backbones.weights import WeightsCache
from engine.config import INT8, Config
from engine.embedding.choose import choose_embedder
from engine.embedding.embedder import Embedder
from engine.errors import UsageError
from engine.heads.fitting.epochs import Training, run_epochs, untrained
from engine.learning.data.collect import collect
from engine.learning.data.examples import Examples
from engine.learning.data.notes import data_notes
from engine.learning.data.requirements import Requirements
from engine.learning.data.split import Split, draw_split
from engine.learning.finetune.checkpoint import (
    Checkpoint,
    load_checkpoint,
    require_writable,
    save_checkpoint,
)
from engine.learning.finetune.learner import BackboneLearner, start_learner
from engine.learning.finetune.options import FinetuneOptions
from engine.learning.results import DIVERGED, FinetuneReport
from engine.progress import Reporter


def finetune(
    dataset: str,
    name: str,
    options: FinetuneOptions,
    config: Config,
    reporter: Reporter,
    *,
    requirements: Requirements | None = None,
    resume: bool = False,
) -> FinetuneReport:
    """Train a backbone's last blocks, and keep the best epoch's as a backbone of its own.

    Ctrl-C ends the training after its first epoch; what was best so far is kept. See
    `Engine.finetune`.

    Raises
    ------
    UsageError
        There is no such folder or block, or the name is taken by the engine.
    TrainingError
        Too few images, or a checkpoint of another run.
    """
    check_new_name(name)
    embedder, weights = _backbone(config, reporter)
    finetuned = FinetunedBackbones(config.data)
    started = time.monotonic()
    examples = collect(dataset, embedder, requirements=requirements)
    embedded = time.monotonic()
    split = _split(examples, options)
    learner = start_learner(
        embedder,
        weights,
        examples,
        split,
        options,
        progress=lambda done, total: reporter.progress("training", done, total, "images"),
    )
    before = learner.test_accuracy()
    file, run = finetuned.checkpoint(name), _run_identity(embedder, examples, options)
    training, interrupted = train(learner, options, file, run, resume=resume)
    learner.network.load_trained(training.best)
    note = _learned_note(embedder.backbone, examples, split)
    content, sha256 = _weights_file(embedder.backbone, weights, learner, note)
    facts = _facts(dataset, examples, options, training)
    row = finetuned.keep(name, embedder.backbone, content, sha256, facts)
    file.unlink(missing_ok=True)
    return FinetuneReport(
        backbone=name,
        base=embedder.backbone.name,
        fingerprint=row.fingerprint(sha256),
        block=options.block,
        trained_parameters=learner.network.trained_parameters,
        categories=examples.categories,
        images=len(examples),
        validation_images=len(split.validation),
        test_images=len(split.test),
        validation_accuracy_before=before,
        validation_accuracy=learner.test_accuracy(),
        epochs=training.epoch,
        best_epoch=training.best_epoch,
        interrupted=interrupted,
        seconds_embed=embedded - started,
        seconds_train=time.monotonic() - embedded,
        history=training.history,
        skipped=examples.skipped,
        notes=[*data_notes(examples), *([DIVERGED] if training.diverged else [])],
    )


def train(
    learner: BackboneLearner,
    options: FinetuneOptions,
    file: Path,
    run: str,
    *,
    resume: bool = False,
) -> tuple[Training, bool]:
    """Train epoch by epoch, with a checkpoint after each; return also whether Ctrl-C ended it.

    Parameters
    ----------
    file, run
        Where checkpoints are written, and which run they are of.
    resume
        Go on from the checkpoint that is there.

    Raises
    ------
    TrainingError
        The loss is NaN in the first epoch, or a checkpoint cannot be read or written.
    KeyboardInterrupt
        Ctrl-C came before the first epoch was done.
    """
    saved = load_checkpoint(file, run) if resume else None
    require_writable(file)
    begun = training = saved.training if saved else untrained(learner)
    if saved:
        learner.load(saved.weights, saved.optimizer)
    epoch_began = time.monotonic()
    try:
        with torch.random.fork_rng(devices=()):
            for training in run_epochs(learner, options.epochs, start=begun):
                if not training.diverged:
                    training.history[-1]["seconds"] = time.monotonic() - epoch_began
                    save_checkpoint(file, run, Checkpoint.of(training, learner))
                epoch_began = time.monotonic()
    except KeyboardInterrupt:
        if not training.epoch:
            raise
        return training, True
    return training, False


def _backbone(config: Config, reporter: Reporter) -> tuple[Embedder, Path]:
    """Return the backbone that a new catalog would get, and the file of its weights."""
    if config.precision == INT8:
        raise UsageError("int8", "quantized weights cannot be trained", "Leave --precision out")
    embedder = choose_embedder(config, None, reporter)
    weights = WeightsCache(config.cache).find(embedder.backbone)
    assert weights is not None  # choose_embedder fetched them
    return embedder, weights.path


def _split(examples: Examples, options: FinetuneOptions) -> Split:
    shares = {"validation": options.validation, "test": options.test}
    return draw_split(examples.labels, examples.groups, **shares, seed=options.seed)


def _run_identity(embedder: Embedder, examples: Examples, options: FinetuneOptions) -> str:
    """Return what tells this run from every other."""
    facts = [
        embedder.fingerprint,
        asdict(options),
        examples.categories,
        examples.labels.tolist(),
        examples.hashes,
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _learned_note(base: Backbone, examples: Examples, split: Split) -> dict[str, str]:
    """Return what the file says of the images that were learned from, by the base as well.

    They are those that were trained on and those that chose the epoch; test images had no part.
    """
    before = learned_contents(base)
    if before is None:
        return {}
    images = [*split.train.tolist(), *split.validation.tolist()]
    return learned_note(before.union(examples.hashes[at] for at in images))


def _weights_file(
    base: Backbone, weights: Path, learner: BackboneLearner, note: dict[str, str]
) -> tuple[bytes, str]:
    """Return a safetensors file of the backbone as it is now, and its SHA-256."""
    from safetensors.torch import save

    tensors = load_state(base, weights) | learner.network.backbone_state()
    content = save({key: tensor.contiguous() for key, tensor in tensors.items()}, note)
    return content, hashlib.sha256(content).hexdigest()


def _facts(
    dataset: str, examples: Examples, options: FinetuneOptions, training: Training
) -> dict[str, object]:
    """Return how a backbone came to be, for its record."""
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": dataset,
        "categories": examples.categories,
        "images": len(examples),
        "options": asdict(options),
        "epochs": training.epoch,
        "best_epoch": training.best_epoch,
        "history": training.history,
    }
