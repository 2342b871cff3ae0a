"""From examples to a head: split, select, fit, calibrate, measure.

Images are few or many (`SplitOptions.few`). Of few each is in the test part of one of several
splits; many have one. For each split a trial fits layers and a gate to the train part, stopped and
calibrated by the validation part, and answers for the test part: these answers are the figures of
the head. The head itself is then fitted to all images, for as many epochs as the trials took, with
the temperature and threshold that the validation answers of all trials together ask for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from engine.heads.classifier import BuiltIn
from engine.heads.fitting.background import Prototypes, suspects
from engine.heads.fitting.calibration import calibrate
from engine.heads.fitting.fit import Fitted, fit_layers, threads_for
from engine.heads.fitting.gate import gate_of
from engine.heads.head import Dense, Head
from engine.heads.options import TrainOptions
from engine.heads.record import Learned, Record
from engine.learning.data.examples import Examples
from engine.learning.data.propagation import PropagationOptions
from engine.learning.data.refused import RefusedFolds
from engine.learning.data.split import Split, SplitOptions, measuring_splits
from engine.learning.measure import forgetting, label_probabilities, measure, refusals
from engine.learning.results import ModelSelection
from engine.learning.selection.candidates import SelectionOptions
from engine.learning.selection.select import select
from engine.learning.selection.views import ViewOptions
from engine.learning.trial import (
    GateOptions,
    Progress,
    Trial,
    gate_rows,
    run_trial,
    train_rows,
    trial_gate,
    unlabelled_rows,
)
from index.records import Vectors


@dataclass(frozen=True, slots=True)
class TrainLimits:
    """How much of what there is serves for what.

    Attributes
    ----------
    split
        Which images a head is measured on.
    selection
        How its options are selected.
    views
        How many views are drawn where that is left open.
    propagation
        How labels spread to images without one, where images are few.
    gate
        What gates are fitted to.
    background
        At most so many images of the catalog serve as background.
    background_test
        Share of these that is not learned from but measured on.
    """

    split: SplitOptions = field(default_factory=SplitOptions)
    selection: SelectionOptions = field(default_factory=SelectionOptions)
    views: ViewOptions = field(default_factory=ViewOptions)
    propagation: PropagationOptions = field(default_factory=PropagationOptions)
    gate: GateOptions = field(default_factory=GateOptions)
    background: int = 5000
    background_test: float = 0.2


@dataclass(frozen=True, slots=True)
class Trained:
    """A head, and what its file does not say of its training.

    Attributes
    ----------
    head
        With its metrics, history and answers on test images.
    options
        Those that it was trained with.
    background
        How many images of the catalog it learned from as belonging to no category.
    unlabelled
        How many images of the catalog without a label it learned from as showing a category.
    diverged
        A loss was NaN.
    selection
        How they were selected, None where they were given.
    """

    head: Head
    options: TrainOptions
    background: int
    unlabelled: int
    diverged: bool
    selection: ModelSelection | None


class HeadTraining:
    """One training.

    Parameters
    ----------
    examples
        What to learn.
    catalog
        Background: embeddings of other images in random order, which may secretly show the new
        categories.
    built_in
        The backbone's own categories.
    options
        How to train.
    limits
        How much serves for what; None for the defaults.
    progress, selecting, gating
        Hear how many epochs of training, trials of model selection, and gates are done.
    """

    def __init__(
        self,
        examples: Examples,
        catalog: Vectors,
        built_in: BuiltIn,
        options: TrainOptions,
        limits: TrainLimits | None = None,
        progress: Progress = lambda done, total: None,
        selecting: Progress = lambda done, total: None,
        gating: Progress = lambda done, total: None,
    ) -> None:
        self._examples = examples
        self._built_in = built_in
        self._options = options
        self._limits = limits or TrainLimits()
        self._progress, self._selecting, self._gating = progress, selecting, gating
        self._prototypes = Prototypes(built_in)
        tested = int(self._limits.background_test * len(catalog))
        self._background, self._background_test = catalog[tested:], catalog[:tested]
        self._splits = splits = measuring_splits(
            examples.labels, examples.groups, options.validation, self._limits.split, options.seed
        )
        self._refused = RefusedFolds(examples.refused, len(splits), options.seed)

    def run(self, head: Head, *, select_model: bool = False, deadline: float = math.inf) -> Trained:
        """Train and measure a new head.

        Parameters
        ----------
        select_model
            Select its options first.
        deadline
            By `time.monotonic`; what is not compared by then is left out of the selection.
        """
        examples, splits = self._examples, self._splits
        rows = len(examples.image) + len(self._background)
        with threads_for(rows, head.dim):
            final, selection = self._options, None
            of_splits: Sequence[TrainOptions] = [final] * len(splits)
            if select_model:
                how = self._limits.selection
                selected = select(examples, splits, final, how, self._selecting, deadline)
                final, of_splits, selection = selected.final, selected.of_splits, selected.told
            measured, calibrating = self._trials(head, of_splits, final)
            answers, metrics = measure(measured, examples, self._built_in)
            probabilities = label_probabilities(measured, examples)
            head, fitted = self._fit(head, calibrating, final)
            head = self._calibrate(head, calibrating)
            head, background = self._fit_gate(head, calibrating[0].head.gate)
            metrics |= self._forgetting(head) | refusals(measured, self._refused, self._built_in)
        record = Record(
            answers=answers,
            learned=Learned.of(examples.hashes, examples.labels, examples.views, examples.paths),
            folds=len(splits),
            label_probability=probabilities,
        )
        metrics = {"images": float(len(examples)), **metrics}
        head = replace(head, metrics=metrics, record=record)
        fits = [fitted, *(each.fitted for each in (*measured, *calibrating))]
        diverged = any(each.diverged for each in fits)
        unlabelled = unlabelled_rows(examples, final)
        return Trained(head, final, background, unlabelled, diverged, selection)

    def _trials(
        self, head: Head, of_splits: Sequence[TrainOptions], final: TrainOptions
    ) -> tuple[list[Trial], list[Trial]]:
        """Return a trial of each split to measure with, and one with the final options.

        They are the same where the same options were selected.
        """
        measured, calibrating = [], []
        for number, (split, own) in enumerate(zip(self._splits, of_splits, strict=True)):
            gate = trial_gate(
                self._examples,
                split,
                self._prototypes,
                self._built_in,
                self._limits.gate,
                self._options.seed,
                self._refused.train(number),
                self._gate(number),
            )
            trials = {
                options: self._trial(head, split, gate, options, number)
                for options in dict.fromkeys((own, final))
            }
            measured.append(trials[own])
            calibrating.append(trials[final])
        return measured, calibrating

    def _trial(
        self, head: Head, split: Split, gate: Dense, options: TrainOptions, number: int
    ) -> Trial:
        scaled = options.scaled(len(self._examples.image))
        progress = self._part(number)
        return run_trial(head, self._examples, split, gate, self._built_in, scaled, progress)

    def _fit(
        self, head: Head, trials: Sequence[Trial], options: TrainOptions
    ) -> tuple[Head, Fitted]:
        """Fit the final layers to all images, for the median of the trials' epochs."""
        epochs = max(1, round(float(np.median([each.fitted.epochs for each in trials]))))
        typical = min(trials, key=lambda each: abs(each.fitted.epochs - epochs))
        options = options.scaled(len(self._examples.image))
        everything = np.arange(len(self._examples))
        fitted = fit_layers(
            train_rows(self._examples, everything, options),
            len(head.categories),
            options,
            epochs=epochs,
            progress=self._part(len(trials)),
        )
        head = replace(
            head,
            layers=fitted.layers,
            activation=options.activation,
            history=tuple(typical.fitted.history),
        )
        return head, fitted

    def _calibrate(self, head: Head, trials: Sequence[Trial]) -> Head:
        """Give the head the temperature and threshold that all validation answers ask for."""
        labels = [self._examples.labels[each.split.validation] for each in trials]
        temperature, accept = calibrate(
            np.concatenate([each.log_probability for each in trials]),
            np.concatenate(labels),
            np.concatenate([each.share for each in trials]),
        )
        return replace(head, temperature=temperature, accept=accept)

    def _fit_gate(self, head: Head, start: Dense) -> tuple[Head, int]:
        """Fit the final gate to all images; return how much of the catalog served, too.

        Parameters
        ----------
        start
            A gate of the same categories that was fitted against prototypes alone.
        """
        examples, seed = self._examples, self._options.seed
        everything = np.arange(len(examples))
        rows = gate_rows(examples, everything, self._limits.gate, seed)
        positives = examples.vectors[rows]
        suspect = suspects(self._background, positives, start, self._built_in)
        background = Vectors.concatenate(
            [self._prototypes.draw(positives, seed), self._background[~suspect]]
        )
        labels, outputs = examples.row_labels[rows], len(head.categories)
        parts, told = len(self._splits) + 1, self._gate(len(self._splits))
        bars = None if examples.refused is None else examples.refused.bars
        gate = gate_of(positives, labels, outputs, background, self._built_in, start, bars, told)
        self._gating(parts, parts)
        return replace(head, gate=gate), int((~suspect).sum())

    def _forgetting(self, head: Head) -> dict[str, float]:
        examples, seed = self._examples, self._options.seed
        rows = gate_rows(examples, np.arange(len(examples)), self._limits.gate, seed)
        others = self._prototypes.draw(examples.vectors[rows], seed + 1)
        return forgetting(head, others, self._background_test, self._built_in)

    def _gate(self, number: int) -> Callable[[], None]:
        """Return what tells after each iteration that so many gates are done."""
        return lambda: self._gating(number, len(self._splits) + 1)

    def _part(self, number: int) -> Progress:
        """Return what tells the progress of one fit of all."""
        parts = len(self._splits) + 1

        def tell(done: int, total: int) -> None:
            self._progress(number * total + done, parts * total)

        return tell
