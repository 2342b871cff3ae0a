"""What values images have in the fields of filters."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch

MakeBatch = Callable[..., Batch]


@pytest.fixture
def stocked(catalog: Catalog, make_batch: MakeBatch) -> Catalog:
    """Two sofas, a bed and an image without a label, whose category is unknown."""
    store = catalog.images.store
    store(make_batch(["/1", "/2"], labels=["sofa", "bed"], categories=["quilt", "couch"]))
    store(make_batch(["/3"], labels=["sofa"], width=800, kind="PNG", probability=0.25))
    store(make_batch(["/4"], categories=["zebra"], unknown=[True], width=10, probability=0.9))
    return catalog


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("label", ["sofa", "bed"]),
        ("category", ["quilt", "couch", "thing"]),
        ("format", ["JPEG", "PNG"]),
        ("path", ["/1", "/2", "/3", "/4"]),
    ],
)
def test_values_come_once_each_in_the_order_of_images(
    stocked: Catalog, field: str, values: list[str]
) -> None:
    assert stocked.values.of(field) == values


def test_values_of_gone_images_are_left_out(stocked: Catalog) -> None:
    stocked.images.hide([row.id for row in stocked.images.known(["/2"]).values()])
    assert stocked.values.of("label") == ["sofa"]


@pytest.mark.parametrize(
    ("field", "range_"),
    [("width", (10, 800)), ("size", (1000, 1000)), ("probability", (0.25, 0.5))],
)
def test_a_number_has_a_range(stocked: Catalog, field: str, range_: tuple[float, float]) -> None:
    assert stocked.values.range(field) == range_


def test_without_images_there_is_no_range(catalog: Catalog) -> None:
    assert catalog.values.range("width") is None
    assert catalog.values.of("label") == []
