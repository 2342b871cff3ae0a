"""Heads that learned labels which are others by now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from engine.heads.head import Head
from engine.heads.outdated import changed_labels
from engine.heads.record import FROM_LABELS, Learned, Record

MakeHead = Callable[..., Head]
HASHES = [f"{number:064x}" for number in range(3)]


@pytest.fixture
def head(make_head: MakeHead) -> Head:
    """A head that learned two beds and a sofa from labels."""
    learned = Learned.of(HASHES, np.array([0, 0, 1]))
    record = Record(data=FROM_LABELS, learned=learned)
    return replace(make_head(outputs=2), categories=("Bed", "sofa"), record=record)


def of(*labels: str) -> dict[str, set[str]]:
    """Return the labels that the three images have now."""
    return {content: {label} for content, label in zip(HASHES, labels, strict=False)}


@pytest.mark.parametrize(
    ("labels", "changed"),
    [
        (("bed", "bed", "sofa"), 0),
        (("bed", "sofa", "sofa"), 1),
        (("bed", "stool", "bed"), 2),
        (("", "bed", "sofa"), 1),
        (("bed",), 0),
    ],
)
def test_an_image_counts_whose_label_is_another(
    head: Head, labels: tuple[str, ...], changed: int
) -> None:
    assert changed_labels(head, of(*labels)) == changed


def test_of_copies_with_several_labels_one_that_fits_is_enough(head: Head) -> None:
    assert changed_labels(head, of("bed", "bed", "sofa") | {HASHES[0]: {"bed", "chair"}}) == 0


def test_what_was_learned_from_a_folder_needs_no_label(head: Head) -> None:
    assert head.record is not None
    record = replace(head.record, data=f"/photos, then {FROM_LABELS}")
    extended = replace(head, record=record)
    assert changed_labels(extended, of("", "sofa", "sofa")) == 1


@pytest.mark.parametrize("data", ["/photos", "", f"{FROM_LABELS}, then /photos"])
def test_a_head_that_learned_no_labels_last_never_counts(head: Head, data: str) -> None:
    assert head.record is not None
    other = replace(head, record=replace(head.record, data=data))
    assert changed_labels(other, of("x", "x", "x")) == 0


def test_a_head_without_a_record_never_counts(head: Head) -> None:
    assert changed_labels(replace(head, record=None), of("x")) == 0
