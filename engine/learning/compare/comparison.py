"""Methods of learning compared: the same images, the same splits.

The cheapest are asked first, in rounds: each round is another split, on which every method has its
turn. A budget of time ends the rounds, so that all methods have been asked equally often, except
that the first round is always gone through, each training cut short where it must be.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import mean, stdev

from engine.config import Config
from engine.errors import TrainingError
from engine.learning.compare.backbones import (
    Embedded,
    backbones_at_hand,
    embed,
    finetuned_method,
    frozen_method,
)
from engine.learning.compare.method import Learned, Method
from engine.learning.compare.options import CompareOptions
from engine.learning.compare.scratch import scratch_methods
from engine.learning.data.examples import Examples
from engine.learning.data.notes import data_notes, require_testable
from engine.learning.data.requirements import Requirements
from engine.learning.data.split import draw_split
from engine.learning.finetune.options import FinetuneOptions
from engine.learning.results import ComparedMethod, Comparison
from engine.progress import Reporter

# Share of what is not tested on that is for validation.
VALIDATION = 0.2
# Seeds are below this.
SEEDS = 1 << 31


def compare(
    dataset: str,
    config: Config,
    reporter: Reporter,
    options: CompareOptions,
    requirements: Requirements | None = None,
) -> Comparison:
    """Compare ways of learning what a folder of images shows.

    Raises
    ------
    UsageError
        There is no such folder, backbone or block.
    TrainingError
        A category has too few images, nothing can be tested, or images changed in between.
    """
    started = time.monotonic()
    end = float("inf") if options.budget is None else started + options.budget
    names = options.backbones or backbones_at_hand(config)
    embedded = [embed(dataset, name, config, reporter, requirements) for name in names]
    examples = _common(dataset, embedded)
    require_testable(dataset, examples)
    methods = [frozen_method(each) for each in embedded]
    if options.block is not None:
        methods.append(finetuned_method(embedded[0], FinetuneOptions(options.block)))
    methods += scratch_methods(examples, options.scratch_epochs, config, reporter)
    rounds = run_rounds(methods, examples, options, end, reporter)
    return Comparison(
        images=len(examples),
        categories=examples.categories,
        rounds=len(rounds),
        methods=[
            _result(method, [learned[number] for learned in rounds])
            for number, method in enumerate(methods)
        ],
        seconds=time.monotonic() - started,
        skipped=examples.skipped,
        notes=data_notes(examples),
    )


def run_rounds(
    methods: Sequence[Method],
    examples: Examples,
    options: CompareOptions,
    end: float,
    reporter: Reporter,
) -> list[list[Learned]]:
    """Let every method learn from one split after the other.

    Parameters
    ----------
    end
        When the budget is spent, by `time.monotonic`.

    Returns
    -------
    list
        One list for each round, of what each method learned.
    """
    rounds: list[list[Learned]] = []
    while len(rounds) < options.repeats:
        began = time.monotonic()
        seed = (options.seed + len(rounds)) % SEEDS
        split = draw_split(
            examples.labels, examples.groups, validation=VALIDATION, test=options.test, seed=seed
        )
        rounds.append([])
        for number, method in enumerate(methods):
            left = max(0.0, end - time.monotonic())
            # In the first round what is left is shared out among those whose turn is to come.
            deadline = time.monotonic() + left / (len(methods) - number)
            rounds[-1].append(method.learn(split, seed, deadline))
            done = sum(map(len, rounds))
            reporter.progress("comparing", done, options.repeats * len(methods), "trainings")
        if time.monotonic() + (time.monotonic() - began) > end:
            break
    return rounds


def _common(dataset: str, embedded: Sequence[Embedded]) -> Examples:
    """Return the examples of the first backbone, which are those of all but for embeddings."""
    first = embedded[0].examples
    if any(each.examples.hashes != first.hashes for each in embedded):
        raise TrainingError(
            dataset, "its pictures changed while they were embedded", "Compare once more"
        )
    return first


def _result(method: Method, runs: Sequence[Learned]) -> ComparedMethod:
    accuracies = [run.accuracy for run in runs]
    return ComparedMethod(
        name=method.name,
        kind=method.kind,
        accuracy=mean(accuracies),
        spread=stdev(accuracies) if len(accuracies) > 1 else 0.0,
        accuracies=accuracies,
        train_seconds=mean(run.seconds for run in runs),
        embed_seconds=method.embed_seconds,
        trained_parameters=runs[0].parameters,
        history=runs[0].history,
    )
