"""The demo's results as a page."""

from __future__ import annotations

import os
from pathlib import Path

from cli.pages.gallery import order_told, result_cards
from cli.pages.html import Card, Section, require_own_page, write_page
from demo.tour import Tour
from engine.heads.results import Classification
from engine.learning.results import Evaluation


def write_tour_page(tour: Tour, file: Path) -> None:
    """Write what the demo found.

    Raises
    ------
    EngineError
        The file cannot be written, or exists and is no page of the engine's.
    """
    require_own_page(file)
    query = tour.search.images[0]
    evaluation = tour.evaluation
    sections = [
        Section(
            "Find what looks like this",
            "The first picture was searched for; it is not in the catalog. "
            + order_told(tour.search),
            tour.commands["search"],
            [Card(os.path.abspath(query), "searched for", share=0), *result_cards(tour.search)],
        ),
        Section(
            "Say what it shows",
            f"After training on {tour.train.images} pictures in {tour.train.seconds.fit:.1f} "
            "seconds. The built-in 1000 categories compete with the five new ones.",
            tour.commands["train"] + "\n" + tour.commands["classify"],
            [_card(each) for each in tour.tests],
        ),
        Section(
            "How often it is right",
            f"Accuracy {evaluation.accuracy:.3f} on {evaluation.images} pictures it has never "
            f"seen (rows: what they are; columns: what the head says). With all 1005 categories "
            f"competing: {tour.joint.accuracy:.3f}.",
            tour.commands["evaluate"],
            table=_confusion(evaluation),
        ),
    ]
    write_page(
        file,
        "A furniture catalog, drawn and understood",
        "Every picture here was drawn by the engine's own generator. One embedding per picture "
        "serves both questions: what does it look like, and what is it?",
        sections,
        force=True,
    )


def _card(answer: Classification) -> Card:
    label = os.path.basename(os.path.dirname(answer.image))
    best, *others = answer.predictions
    return Card(
        os.path.abspath(answer.image),
        f"{best.category}  {best.probability:.2f}",
        [f"{each.category} {each.probability:.2f}" for each in others],
        best.probability,
        wrong=best.category != label,
    )


def _confusion(evaluation: Evaluation) -> list[list[str]]:
    labels = list(evaluation.confusion)
    rows = [
        [label, *(str(evaluation.confusion[label].get(other, "")) for other in labels)]
        for label in labels
    ]
    return [["", *labels], *rows]
