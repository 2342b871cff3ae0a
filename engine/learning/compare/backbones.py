"""Backbones as methods of learning: frozen below a linear head, and fine-tuned."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from engine.backbones.finetuned import FinetunedBackbones
from engine.backbones.weights import WeightsCache
from engine.backbones.weights_source import Packaged
from engine.config import Config
from engine.embedding.choose import choose_embedder
from engine.embedding.embedder import Embedder
from engine.heads.fitting.epochs import run_epochs, untrained
from engine.heads.fitting.fit import fit_layers, threads_for
from engine.heads.fitting.rows import Rows, embedding_scale
from engine.heads.options import LBFGS, TrainOptions
from engine.learning.compare.method import Learned, Method
from engine.learning.data.collect import collect
from engine.learning.data.examples import Examples
from engine.learning.data.requirements import Requirements
from engine.learning.data.split import Split
from engine.learning.finetune.learner import start_learner
from engine.learning.finetune.options import FinetuneOptions
from engine.learning.metrics import accuracy
from engine.pictures.augment import MIRROR, ORIGINAL
from engine.progress import Reporter


@dataclass(frozen=True, slots=True)
class Embedded:
    """What one backbone made of the images and their mirror images, and how long it took."""

    embedder: Embedder
    examples: Examples
    seconds: float


def backbones_at_hand(config: Config) -> tuple[str, ...]:
    """Return the backbones whose weights are on this machine, the embedded ones first."""
    weights = WeightsCache(config.cache)
    there = [
        each for each in FinetunedBackbones(config.data).all() if weights.find(each) is not None
    ]
    there.sort(key=lambda each: not isinstance(each.weights, Packaged))
    return tuple(each.name for each in there)


def embed(
    dataset: str,
    name: str,
    config: Config,
    reporter: Reporter,
    requirements: Requirements | None = None,
) -> Embedded:
    """Embed a data set with a backbone.

    Raises
    ------
    UsageError
        There is no such folder or backbone.
    TrainingError
        A category has too few images.
    """
    embedder = choose_embedder(replace(config, backbone=name), None, reporter)
    embedder.start()
    began = time.monotonic()
    views = (ORIGINAL, MIRROR)
    examples = collect(dataset, embedder, views=views, requirements=requirements)
    return Embedded(embedder, examples, time.monotonic() - began)


def frozen_method(embedded: Embedded) -> Method:
    """Return the method that trains a linear head on the images and their mirror images.

    It is fitted to the minimum by L-BFGS, so that validation images choose nothing; their loss is
    in the history.
    """
    examples, dim = embedded.examples, embedded.embedder.backbone.dim
    rows = Rows(examples.vectors.unit, examples.row_labels, scale=embedding_scale(dim))

    def learn(split: Split, seed: int, deadline: float) -> Learned:
        began = time.monotonic()
        train, validation, test = (
            replace(rows, chosen=chosen)
            for chosen in (
                examples.rows_of(split.train),
                examples.originals[split.validation],
                examples.originals[split.test],
            )
        )
        options = TrainOptions(seed=seed, optimizer=LBFGS, weight_decay=1.0)
        with threads_for(*rows.values.shape):
            fitted = fit_layers(
                train,
                len(examples.categories),
                options,
                validation=validation if len(split.validation) else None,
            )
        (layer,) = fitted.layers
        logits = layer(test.values[test.positions] * np.float32(test.scale))
        right = accuracy(examples.labels[split.test], logits.argmax(axis=1))
        parameters = layer.weight.size + layer.bias.size
        return Learned(right, fitted.history, time.monotonic() - began, parameters)

    name = f"frozen {embedded.embedder.backbone.name}"
    return Method(name, "frozen", learn, embedded.seconds)


def finetuned_method(embedded: Embedded, options: FinetuneOptions) -> Method:
    """Return the method that fine-tunes a backbone; only the seed of the options is another."""
    embedder, examples = embedded.embedder, embedded.examples
    weights = WeightsCache(embedder.config.cache).find(embedder.backbone)
    assert weights is not None  # its embedder was made from them
    file = weights.path

    def learn(split: Split, seed: int, deadline: float) -> Learned:
        began = time.monotonic()
        seeded = replace(options, seed=seed)
        learner = start_learner(embedder, file, examples, split, seeded)
        begun = untrained(learner)
        with torch.random.fork_rng(devices=()):
            *_, training = run_epochs(learner, seeded.epochs, deadline=deadline, start=begun)
        learner.network.load_trained(training.best)
        seconds = time.monotonic() - began
        parameters = learner.network.trained_parameters
        return Learned(learner.test_accuracy(), training.history[1:], seconds, parameters)

    name = f"{embedder.backbone.name} fine-tuned from {options.block}"
    return Method(name, "fine-tuned", learn, embedded.seconds)
