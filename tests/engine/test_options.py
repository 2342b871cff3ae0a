"""What a field says about itself is what is checked: its type, its range, its choices."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass, fields, replace
from fractions import Fraction
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import CompareOptions, FinetuneOptions, TrainOptions, UsageError
from engine.options import Option, OptionField, check_options, option_fields

PUBLIC = (TrainOptions(), FinetuneOptions("block6"), CompareOptions())
EVERY = [
    pytest.param(options, field, id=f"{type(options).__name__}.{field.name}")
    for options in PUBLIC
    for field in option_fields(type(options))
]


def of_kind(*kinds: type) -> pytest.MarkDecorator:
    """Give a test every public option of these kinds, one after the other."""
    chosen = [each for each in EVERY if each.values[1].kind in kinds]  # type: ignore[union-attr]
    return pytest.mark.parametrize(("options", "field"), chosen)


def refused(options: Any, field: OptionField, value: Any) -> UsageError:
    """Return the error that a value makes; in a tuple where the field takes several."""
    with pytest.raises(UsageError) as caught:
        replace(options, **{field.name: (value,) if field.several else value})
    assert str(caught.value).startswith(field.name)
    return caught.value


@pytest.mark.parametrize("options", PUBLIC, ids=lambda options: type(options).__name__)
def test_each_field_of_public_options_says_what_it_is(options: Any) -> None:
    told = [each.name for each in option_fields(type(options))]
    assert told == [each.name for each in fields(options)]


@of_kind(int, float)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
def test_nan_and_infinity_are_no_numbers_anywhere(
    options: Any, field: OptionField, value: float
) -> None:
    refused(options, field, value)


@of_kind(int, float)
@pytest.mark.parametrize("value", ["3", True, b"3", [3]], ids=repr)
def test_what_only_looks_like_a_number_is_none(
    options: Any, field: OptionField, value: Any
) -> None:
    assert "number" in refused(options, field, value).reason


@of_kind(int)
def test_a_whole_number_has_no_fraction(options: Any, field: OptionField) -> None:
    assert refused(options, field, 3.0).remedy == "Give a whole number"


@of_kind(int, float)
def test_each_number_is_held_to_its_minimum_and_maximum(options: Any, field: OptionField) -> None:
    least, most = field.option.minimum, field.option.maximum
    assert least is not None, "none of them may be as small as can be"
    step = 1 if field.kind is int else 1e-9
    assert f"{least:g}" in refused(options, field, field.kind(least - step)).remedy
    edges = [field.kind(least)]
    if most is not None:
        assert f"{most:g}" in refused(options, field, field.kind(most + max(step, 1e-9))).remedy
        edges.append(field.kind(most))
    for edge in edges:
        value = (edge,) if field.several else edge
        assert getattr(replace(options, **{field.name: value}), field.name) == value


@of_kind(str)
def test_a_number_is_no_text(options: Any, field: OptionField) -> None:
    assert "a text" in refused(options, field, 3).reason


@of_kind(bool)
@pytest.mark.parametrize("value", [0, 1, "yes", None])
def test_nothing_but_true_and_false_is_a_truth_value(
    options: Any, field: OptionField, value: Any
) -> None:
    assert "True or False" in refused(options, field, value).reason


@dataclass(frozen=True, slots=True)
class Oven:
    """Options of something that has nothing to do with pictures."""

    heat: Annotated[float, Option("How hot.", minimum=20.0, maximum=300.0)]
    minutes: Annotated[int, Option("How long.", minimum=1)] = 30
    racks: Annotated[tuple[int, ...], Option("Which racks.", minimum=0, maximum=4)] = ()
    mode: Annotated[str, Option("Fan or grill.", choices=("fan", "grill"))] = "fan"
    timer: Annotated[float | None, Option("When it rings.", minimum=0.0)] = None
    note: str = "fields without an Option are nobody's business"

    def __post_init__(self) -> None:
        """Refuse what no oven does."""
        check_options(self)


def test_a_field_is_described_by_its_annotation_and_default() -> None:
    described = {each.name: each for each in option_fields(Oven)}
    assert list(described) == ["heat", "minutes", "racks", "mode", "timer"]
    heat, racks, timer = described["heat"], described["racks"], described["timer"]
    assert (heat.kind, heat.several, heat.optional, heat.default) == (float, False, False, MISSING)
    assert (racks.kind, racks.several, racks.optional, racks.default) == (int, True, False, ())
    assert (timer.kind, timer.several, timer.optional, timer.default) == (float, False, True, None)


@given(number=st.integers())
def test_a_whole_number_stays_what_it_is(number: int) -> None:
    if number < 1:
        with pytest.raises(UsageError, match="Use 1 or more"):
            Oven(200.0, minutes=number)
    else:
        minutes = Oven(200.0, minutes=number).minutes
        assert (minutes, type(minutes)) == (number, int)


@pytest.mark.parametrize("heat", [200, np.float32(200), np.int64(200), Fraction(200)], ids=repr)
def test_a_number_of_another_type_becomes_one_of_the_fields(heat: Any) -> None:
    found = Oven(heat).heat
    assert (found, type(found)) == (200.0, float)


def test_a_numpy_integer_becomes_one_of_pythons() -> None:
    assert type(Oven(200.0, minutes=np.int64(5)).minutes) is int


def test_a_list_becomes_a_tuple_each_part_of_which_is_checked() -> None:
    assert Oven(200.0, racks=[0, 4]).racks == (0, 4)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"racks 5: it is out of range\. Use 0 to 4"):
        Oven(200.0, racks=(1, 5))


@pytest.mark.parametrize("racks", ["12", 3, None])
def test_what_is_no_list_is_refused(racks: Any) -> None:
    with pytest.raises(UsageError, match="it is no list"):
        Oven(200.0, racks=racks)


def test_a_text_that_is_no_choice_is_told_the_choices() -> None:
    with pytest.raises(UsageError, match=r"mode 'boil': it is unknown\. Use fan, grill"):
        Oven(200.0, mode="boil")
