"""What many images cost: sums that add up, more for more, and figures that are known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.embedding.cost import MANY, CostLine, CostReport, cost
from engine.embedding.cost_options import RATES, CostOptions
from engine.errors import UnknownBackboneError, UsageError
from index.vectors.choose import EXACT_COMPONENTS

OPTIONS = st.builds(
    CostOptions,
    images=st.floats(1, 1e12),
    backbone=st.sampled_from(sorted(RATES)),
    images_per_second_core=st.none() | st.floats(1, 1000),
    dtype=st.sampled_from(("float16", "float32")),
    pca=st.sampled_from((0, 256)),
    images_per_object=st.integers(1, 10_000),
    price_core_hour=st.floats(0, 10),
    price_get=st.floats(0, 1),
    price_gb_month=st.floats(0, 1),
    cores=st.integers(1, 256),
    memory_gb=st.floats(2, 4096),
    disk_gb=st.floats(10, 1e5),
    days=st.floats(0.1, 365),
)


def line(report: CostReport, name: str) -> CostLine:
    [found] = [each for each in report.lines if each.name == name]
    return found


@given(OPTIONS)
def test_the_sums_add_up(options: CostOptions) -> None:
    report = cost(options)
    once = [each.dollars for each in report.lines if not each.monthly and each.dollars is not None]
    monthly = [each.dollars for each in report.lines if each.monthly and each.dollars is not None]
    assert math.isclose(report.dollars_once, sum(once), rel_tol=1e-9, abs_tol=1e-12)
    assert math.isclose(report.dollars_monthly, sum(monthly), rel_tol=1e-9, abs_tol=1e-12)
    for each in report.lines:
        assert each.amount >= 0
        assert each.follows


@given(OPTIONS, st.floats(1, 1000))
def test_more_images_never_cost_less(options: CostOptions, times: float) -> None:
    # Few are searched exactly, which takes more bytes of each.
    fewer = replace(options, images=max(options.images, MANY))
    some, more = cost(fewer), cost(replace(fewer, images=fewer.images * times))
    for one, other in zip(some.lines, more.lines, strict=True):
        assert (one.name, one.unit, one.monthly) == (other.name, other.unit, other.monthly)
        assert one.amount <= other.amount
        assert (one.dollars or 0) <= (other.dollars or 0)
    assert some.dollars_once <= more.dollars_once
    assert some.dollars_monthly <= more.dollars_monthly
    assert some.machines_to_embed <= more.machines_to_embed
    assert some.machines_to_search <= more.machines_to_search
    assert some.one_machine or not more.one_machine


@given(OPTIONS)
def test_a_machine_does_what_its_limits_say(options: CostOptions) -> None:
    options = replace(options, images=max(options.images, MANY))
    report = cost(options)
    least = min(limit.images for limit in report.limits)
    assert report.one_machine == (options.images <= least)
    if report.one_machine:
        assert (report.machines_to_embed, report.machines_to_search) == (1, 1)
    if least >= MANY:
        assert cost(replace(options, images=least)).one_machine


@given(OPTIONS)
def test_units_are_what_they_say(options: CostOptions) -> None:
    report = cost(options)
    hours = line(report, "embedding").amount
    assert math.isclose(hours * 3600 * options.rate, options.images, rel_tol=1e-9)
    embeddings = line(report, "embeddings")
    assert embeddings.dollars is not None
    price = options.price_gb_month
    assert math.isclose(embeddings.dollars, embeddings.amount / 1e9 * price, rel_tol=1e-9)
    gets = line(report, "reading from object storage").amount
    assert gets == math.ceil(options.images / options.images_per_object)


def test_ten_billion_images() -> None:
    report = cost(CostOptions(images=1e10))
    assert line(report, "embedding").amount == pytest.approx(31_000, rel=0.01)
    assert line(report, "embedding").dollars == pytest.approx(1_200, rel=0.05)
    assert line(report, "reading from object storage").dollars == pytest.approx(4_000)
    assert line(report, "embeddings").amount == pytest.approx(25.6e12)
    assert line(report, "index of vectors").amount == pytest.approx(14e12, rel=0.05)
    assert not report.one_machine
    report = cost(CostOptions(images=1e10, images_per_object=5000, pca=256))
    assert line(report, "reading from object storage").dollars == pytest.approx(0.8)
    assert line(report, "index of vectors").amount == pytest.approx(3e12, rel=0.05)
    resnet50 = cost(CostOptions(images=1e10, backbone="resnet50"))
    assert line(resnet50, "embedding").dollars == pytest.approx(5_000, rel=0.05)


def test_few_images_are_searched_exactly() -> None:
    few = cost(CostOptions(images=EXACT_COMPONENTS // 1280))
    assert "exact" in line(few, "index of vectors").follows
    assert few.one_machine


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"images": 0}, UsageError),
        ({"images": math.nan}, UsageError),
        ({"images": math.inf}, UsageError),
        ({"images": 1e6, "pca": 128}, UsageError),
        ({"images": 1e6, "dtype": "int8"}, UsageError),
        ({"images": 1e6, "price_get": -1.0}, UsageError),
        ({"images": 1e6, "backbone": "none"}, UnknownBackboneError),
        ({"images": 1e6, "backbone": "vgg16"}, UsageError),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        CostOptions(**options)


def test_a_rate_of_one_s_own_serves_for_any_backbone() -> None:
    report = cost(CostOptions(images=3600, backbone="vgg16", images_per_second_core=1))
    assert line(report, "embedding").amount == 1
