"""A head of all judgements, and what it changes in the catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.heads.results import HeadInfo
from engine.learning.results import HeadReport, TrainReport

if TYPE_CHECKING:
    from index.catalog.catalog import Catalog

# Categories of which it is told how many images came or went.
TOLD = 20


@dataclass(frozen=True, slots=True)
class SavedLesson:
    """A head that was made of judgements.

    Attributes
    ----------
    head
        What a list of heads shows of it.
    changed
        How many images of the catalog show another category now, or none any more.
    categories
        How many more images show each category, or less; those with the most alone.
    report
        As of `Engine.train`.
    """

    head: HeadInfo
    changed: int
    categories: Mapping[str, int]
    report: TrainReport


def is_of_judgements(report: HeadReport) -> bool:
    """Say whether a head was made of judgements alone, so that they are all that it knows."""
    from engine.heads.record import FROM_JUDGEMENTS

    return report.data == FROM_JUDGEMENTS


def saved(
    catalog: Catalog, train: Callable[[], TrainReport], head: Callable[[], HeadInfo]
) -> SavedLesson:
    """Train a head, and tell what it changed.

    Parameters
    ----------
    train, head
        Make the head, and list it.
    """
    before = catalog.predictions.named()
    report = train()
    after = catalog.predictions.named()
    more: dict[str, int] = {}
    changed = 0
    for image_id in before.keys() | after.keys():
        was, now = before.get(image_id), after.get(image_id)
        if was != now:
            changed += 1
            for name, step in ((was, -1), (now, 1)):
                if name is not None:
                    more[name] = more.get(name, 0) + step
    most = sorted(more, key=lambda name: (-abs(more[name]), name))[:TOLD]
    return SavedLesson(head(), changed, {name: more[name] for name in most if more[name]}, report)
