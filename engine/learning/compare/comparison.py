"""The same pictures, the same splits: networks from scratch, frozen backbones, fine-tuned ones.

The cheapest are asked first, in rounds: each round is another split, on which every method has its
turn. A budget of time ends the rounds, so that all methods have been asked equally often, except
that the first round is always gone through, each training cut short where it must be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import mean, stdev

import numpy as np

from engine.backbones.finetuned import TunedBackbones
from engine.backbones.table import Packaged
from engine.backbones.weights import WeightsCache
from engine.config import Config
from engine.embedding.embedder import Embedder, choose_embedder
from engine.heads.fit import fit_layers, one_thread_for_small
from engine.heads.numerics import log_softmax
from engine.heads.options import LBFGS, TrainOptions
from engine.heads.rows import Rows
from engine.heads.sampling import stratified_split
from engine.learning.collect import collect
from engine.learning.compare.options import CompareOptions
from engine.learning.compare.scratch import SIDE, Learned, ScratchOptions, train_scratch
from engine.learning.examples import Examples
from engine.learning.finetune.images import TrainingImages
from engine.learning.finetune.loop import Loop, Split
from engine.learning.finetune.network import Network
from engine.learning.finetune.options import FinetuneOptions
from engine.learning.results import ComparedMethod, Comparison
from engine.pictures.augment import MIRROR, ORIGINAL
from engine.pictures.decode import decode, read_file
from engine.pictures.prefetch import ahead
from engine.pictures.preprocess import Pixels, Preprocessing
from engine.progress import Reporter
from index.records import Floats, Ids

SMALL = Preprocessing(SIDE, SIDE, "bilinear", (0.5,) * 3, (0.5,) * 3)
# Held out of what is learned from, to stop in time.
INNER = 0.2


@dataclass(slots=True)
class Method:
    """A way of learning, and what came of it so far.

    Attributes
    ----------
    learn
        Learns from a split and answers for its test pictures: split, seed, deadline.
    embed_seconds
        What embedding all pictures took, once.
    """

    name: str
    kind: str
    learn: Callable[[Split, int, float], Learned]
    embed_seconds: float = 0.0
    runs: list[Learned] = field(default_factory=list)


def compare(
    dataset: str, config: Config, reporter: Reporter, options: CompareOptions
) -> Comparison:
    """Compare ways of learning what a folder of pictures shows.

    Raises
    ------
    UsageError
        There is no such folder, backbone or block.
    TrainingError
        A category has too few pictures.
    """
    started = time.monotonic()
    names = options.backbones or _at_hand(config)
    methods, kept, labels, categories = _frozen(dataset, names, config, reporter)
    if options.block is not None:
        methods.append(_finetuned(kept[0], options.block, labels, config, reporter))
    methods += _scratch(kept[0].found, labels, options, config, reporter)
    end = float("inf") if options.budget is None else started + options.budget
    rounds = _rounds(methods, labels, options, started, end, reporter)
    return Comparison(
        images=len(labels),
        categories=categories,
        rounds=rounds,
        methods=[_result(method) for method in methods],
        seconds=time.monotonic() - started,
        skipped=kept[0].found.skipped,
    )


@dataclass(frozen=True, slots=True)
class _Embedded:
    """What one backbone made of the pictures."""

    embedder: Embedder
    found: Examples
    seconds: float


def _at_hand(config: Config) -> tuple[str, ...]:
    """Return the backbones whose weights are on this machine, the embedded ones first."""
    weights = WeightsCache(config.cache)
    there = [each for each in TunedBackbones(config.data).all() if weights.find(each) is not None]
    there.sort(key=lambda each: not isinstance(each.weights, Packaged))
    return tuple(each.name for each in there)


def _frozen(
    dataset: str,
    names: Sequence[str],
    config: Config,
    reporter: Reporter,
) -> tuple[list[Method], list[_Embedded], Ids, tuple[str, ...]]:
    """Embed all pictures with each backbone, and return how heads learn on them."""
    methods, kept = [], []
    for name in names:
        embedder = choose_embedder(replace(config, backbone=name), None, reporter)
        embedder.start()
        began = time.monotonic()
        found = collect(dataset, embedder, views=(ORIGINAL, MIRROR))
        kept.append(_Embedded(embedder, found, time.monotonic() - began))
    categories, labels = kept[0].found.categories, kept[0].found.labels
    for each in kept:
        # Rows are ordered by view: the images first, then their mirrored copies.
        half = len(each.found)
        unit = each.found.vectors.unit[:half], each.found.vectors.unit[half:]
        learn = _head_learner(unit, labels)
        name = f"frozen {each.embedder.backbone.name}"
        methods.append(Method(name, "frozen", learn, each.seconds))
    return methods, kept, labels, categories


def _head_learner(
    unit: tuple[Floats, Floats], labels: Ids
) -> Callable[[Split, int, float], Learned]:
    """Return what trains a linear head on the pictures and their mirror images."""
    count = len(labels)
    values = np.concatenate(unit)
    rows = Rows(values, np.concatenate([labels, labels]), scale=float(np.sqrt(values.shape[1]) / 4))

    def learn(split: Split, seed: int, deadline: float) -> Learned:
        began = time.monotonic()
        inner = _inner(labels, split, seed)
        both = [np.concatenate([part, part + count]) for part in (inner.kept, split.kept)]
        outputs = int(labels.max()) + 1
        options = TrainOptions(seed=seed, optimizer=LBFGS, weight_decay=1.0)
        with one_thread_for_small(*values.shape):
            trial = fit_layers(
                replace(rows, chosen=both[0]),
                outputs,
                options,
                validation=replace(rows, chosen=inner.held),
            )
            final = fit_layers(replace(rows, chosen=both[1]), outputs, options, epochs=trial.epochs)
        layer = final.layers[0]
        logits = layer(values[split.held] * np.float32(rows.scale))
        accuracy = float((log_softmax(logits).argmax(axis=1) == labels[split.held]).mean())
        parameters = layer.weight.size + layer.bias.size
        return Learned(accuracy, trial.history, time.monotonic() - began, parameters)

    return learn


def _finetuned(
    base: _Embedded, block: str, labels: Ids, config: Config, reporter: Reporter
) -> Method:
    """Return what fine-tunes a backbone from a block on."""
    from engine.backbones.networks import load

    embedder = base.embedder
    backbone = embedder.backbone
    weights = WeightsCache(config.cache).find(backbone)
    assert weights is not None  # its embedder was made from them
    unit = base.found.vectors.unit[: len(base.found)]
    scale = float(np.sqrt(backbone.dim) / 4)
    paths = base.found.paths
    images = TrainingImages(
        paths, labels, backbone.preprocessing, config.max_pixels, config.decoders
    )

    def learn(split: Split, seed: int, deadline: float) -> Learned:
        began = time.monotonic()
        inner = _inner(labels, split, seed)
        options = FinetuneOptions(block, seed=seed)
        rows = Rows(unit, labels, inner.kept, scale)
        held_out = replace(rows, chosen=inner.held)
        outputs = int(labels.max()) + 1
        top = fit_layers(rows, outputs, TrainOptions(seed=seed), validation=held_out).layers[0]
        network = Network(backbone, load(backbone, weights.path).module, options, top, scale)
        loop = Loop(network, images, inner, options)
        state = loop.start()
        for latest in loop.passes(state, lambda done, total: None):
            state = latest
            if time.monotonic() > deadline:
                break
        network.load_trained(state.best)
        seconds = time.monotonic() - began
        accuracy = loop.validate(split.held)["validation_accuracy"]
        return Learned(accuracy, state.history[1:], seconds, network.trained_parameters)

    return Method(f"{backbone.name} fine-tuned from {block}", "fine-tuned", learn, base.seconds)


def _scratch(
    found: Examples, labels: Ids, options: CompareOptions, config: Config, reporter: Reporter
) -> list[Method]:
    """Return the four-layer network, plain and with dropout."""
    opened: list[Pixels] = []

    def pixels() -> Pixels:
        if not opened:
            opened.append(_small(found.paths, config))
        return opened[0]

    def learner(dropout: float) -> Callable[[Split, int, float], Learned]:
        def learn(split: Split, seed: int, deadline: float) -> Learned:
            how = ScratchOptions(dropout=dropout, epochs=options.scratch_epochs, seed=seed)

            def progress(done: int, total: int) -> None:
                reporter.progress("training from scratch", done, total, "epochs")

            return train_scratch(
                pixels(), labels, split.kept, split.held, how, deadline=deadline, progress=progress
            )

        return learn

    return [
        Method("four-layer CNN from scratch", "scratch", learner(0.0)),
        Method("four-layer CNN from scratch, dropout", "scratch", learner(0.5)),
    ]


def _small(paths: Sequence[str], config: Config) -> Pixels:
    """Return all pictures as the network from scratch takes them, uint8 `[n, SIDE, SIDE, 3]`."""

    def opened(path: str) -> Pixels:
        return SMALL.pixels(decode(read_file(path), path, config.max_pixels, 2 * SIDE).pixels)

    return np.stack(list(ahead(opened, paths, workers=config.decoders, window=64)))


def _rounds(
    methods: Sequence[Method],
    labels: Ids,
    options: CompareOptions,
    started: float,
    end: float,
    reporter: Reporter,
) -> int:
    """Let every method learn on one split after the other; return on how many."""
    for number in range(options.repeats):
        began = time.monotonic()
        split = Split(*stratified_split(labels.tolist(), options.test, options.seed + number))
        for place, method in enumerate(methods):
            left = max(0.0, end - time.monotonic())
            # In the first round what is left is shared out among those whose turn is to come.
            deadline = time.monotonic() + left / (len(methods) - place)
            method.runs.append(method.learn(split, options.seed + number, deadline))
            done = number * len(methods) + place + 1
            reporter.progress("comparing", done, options.repeats * len(methods), "trainings")
        if time.monotonic() + (time.monotonic() - began) > end:
            return number + 1
    return options.repeats


def _inner(labels: Ids, split: Split, seed: int) -> Split:
    """Return a part of what is learned from, and the rest, by which to stop in time."""
    kept, held = stratified_split(labels[split.kept].tolist(), INNER, seed)
    return Split(split.kept[kept], split.kept[held])


def _result(method: Method) -> ComparedMethod:
    accuracies = [run.accuracy for run in method.runs]
    return ComparedMethod(
        name=method.name,
        kind=method.kind,
        accuracy=mean(accuracies),
        spread=stdev(accuracies) if len(accuracies) > 1 else 0.0,
        accuracies=accuracies,
        train_seconds=mean(run.seconds for run in method.runs),
        embed_seconds=method.embed_seconds,
        trained_parameters=method.runs[0].parameters,
        history=method.runs[0].history,
    )
