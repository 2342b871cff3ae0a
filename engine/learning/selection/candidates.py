"""What model selection compares, in the order in which it is preferred."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.heads.options import ADAMW, LBFGS, MANY, TrainOptions

# What is compared, the simplest first: among those that do about equally well the first is taken.
CANDIDATES: tuple[Mapping[str, Any], ...] = (
    {"hidden": (), "optimizer": LBFGS, "weight_decay": 1.0},
    {"hidden": (), "optimizer": LBFGS, "weight_decay": 10.0},
    {"hidden": (), "optimizer": LBFGS, "weight_decay": 1.0, "label_smoothing": 0.1},
    {"hidden": (), "weight_decay": 0.05},
    {"hidden": (256,), "dropout": 0.3},
    {"hidden": (256,), "dropout": 0.6, "label_smoothing": 0.1},
)


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """How candidates are compared.

    Attributes
    ----------
    candidates
        Changes of the options that were given, the simplest first.
    folds
        Where a head has one test part: the others are compared in so many folds.
    images, images_each
        At most so many images are compared on, but so many of each category.
    views
        Of each image; more make all candidates better and slower, but seldom another one best.
    judge_views
        Compare the candidate that was selected once more, learning from all views there are, and
        leave them out where that is no better.
    """

    candidates: Sequence[Mapping[str, Any]] = CANDIDATES
    folds: int = 5
    images: int = 4000
    images_each: int = 20
    views: int = 2
    judge_views: bool = False


def candidate_options(
    options: TrainOptions, candidates: Sequence[Mapping[str, Any]]
) -> list[TrainOptions]:
    """Return the different candidates that leave alone what somebody wished for."""
    wished = options.wished
    changes = [
        {name: value for name, value in each.items() if name not in wished} for each in candidates
    ]
    # Where hidden layers or a learning rate were asked for, the exact minimum gives neither.
    if "lr" in wished or options.hidden:
        changes = [each for each in changes if each.get("optimizer") != LBFGS]
    return list(dict.fromkeys(replace(options, **each) for each in changes))


def soonest_first(candidates: Sequence[TrainOptions], rows: int) -> list[list[TrainOptions]]:
    """Return candidates in two groups, first those that are trained the soonest on so many rows.

    Few rows are fitted to the minimum sooner than AdamW arrives there; of many AdamW needs to see
    each but a few times.
    """
    groups: list[list[TrainOptions]] = [[], []]
    for each in candidates:
        groups[(each.optimizer == LBFGS) == (rows > MANY)].append(each)
    return [group for group in groups if group]


def describe(options: TrainOptions) -> str:
    """Return a candidate in a few words."""
    words = [f"hidden {','.join(map(str, options.hidden))}" if options.hidden else "linear"]
    if options.hidden:
        words.append(f"dropout {options.dropout:g}")
    if options.optimizer != LBFGS:
        words.append(f"lr {options.rate:g}")
    words.append(f"weight decay {options.weight_decay:g}")
    if options.optimizer != ADAMW:
        words.append(options.optimizer)
    if options.label_smoothing:
        words.append(f"label smoothing {options.label_smoothing:g}")
    if options.views is not None:
        words.append("without drawn views")
    return ", ".join(words)
