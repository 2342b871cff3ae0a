"""What people are told of a data set before they believe its figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from engine.errors import TrainingError
from engine.learning.data.examples import Examples, label_positions
from engine.learning.data.notes import (
    copy_notes,
    images_to_test,
    require_testable,
    size_notes,
)
from index.records import Vectors


def examples_of(images: Sequence[tuple[str, int]]) -> Examples:
    """Return images, each given by its label and by which picture it shows."""
    categories, labels = label_positions([label for label, _ in images])
    return Examples(
        hashes=tuple(f"{number:064x}" for number in range(len(images))),
        paths=tuple(f"/{number}.jpg" for number in range(len(images))),
        categories=categories,
        labels=labels,
        vectors=Vectors.of(np.eye(16, dtype=np.float32)[[shown for _, shown in images]]),
        image=np.arange(len(images)),
        view=np.zeros(len(images), np.int64),
    )


def test_without_copies_there_is_nothing_to_say() -> None:
    assert copy_notes(examples_of([("bed", 0), ("bed", 1), ("sofa", 2), ("sofa", 3)])) == []


def test_copies_are_counted_and_said_to_be_on_one_side() -> None:
    images = [("bed", 0), ("bed", 0), ("bed", 1), ("bed", 1), ("bed", 1), ("bed", 2)]
    [note] = copy_notes(examples_of(images))
    assert note.startswith("3 of 6 pictures are copies of others, exact or nearly so")
    assert "same side of every split" in note


def test_copies_of_another_category_are_named_with_both() -> None:
    images = [("bed", 0), ("bed", 1), ("bed", 2), ("sofa", 2), ("sofa", 3), ("sofa", 4)]
    _, note = copy_notes(examples_of(images))
    assert note == (
        "of another category than what they are copies of: 1 picture, such as /3.jpg (sofa), a "
        "copy of /2.jpg (bed)"
    )


def test_a_category_that_is_one_picture_over_and_over_is_not_tested() -> None:
    images = [("bed", 0), ("bed", 0), ("bed", 0), ("sofa", 2), ("sofa", 3)]
    examples = examples_of(images)
    assert images_to_test(examples).tolist() == [3, 4]
    assert any(note.startswith("not tested: bed, ") for note in copy_notes(examples))


def test_where_nothing_can_be_tested_it_can_be_insisted_on() -> None:
    require_testable("set", examples_of([("bed", 0), ("bed", 1)]))
    with pytest.raises(TrainingError, match="nothing can be tested"):
        require_testable("set", examples_of([("bed", 0), ("bed", 0), ("sofa", 1)]))


def test_categories_of_few_images_are_named_the_smallest_first() -> None:
    images = [("bed", 0)] * 3 + [("lamp", 1)] * 2 + [("sofa", 2)] * 10
    [note] = size_notes(examples_of(images))
    assert note.startswith("fewer than 10 pictures: lamp (2), bed (3);")


def test_very_unequal_categories_are_told_of() -> None:
    [note] = size_notes(examples_of([("bed", 0)] * 100 + [("lamp", 1)] * 10))
    assert note.startswith("very unequal: bed has 100 pictures, lamp 10;")
    assert "balanced accuracy" in note


def test_of_categories_of_a_good_size_there_is_nothing_to_say() -> None:
    assert size_notes(examples_of([("bed", 0)] * 99 + [("lamp", 1)] * 10)) == []
