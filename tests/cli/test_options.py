"""Options that several commands share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cli.options import parse_limit, parse_size, require_one_form
from engine import UsageError

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("4096", 4096),
        ("1K", 1024),
        ("500M", 500 * 1024**2),
        ("4G", 4 * 1024**3),
        ("2T", 2 * 1024**4),
        ("2.5GB", 2684354560),
        ("4GiB", 4 * 1024**3),
        ("4 gb", 4 * 1024**3),
        (" 4g ", 4 * 1024**3),
        ("100B", 100),
        ("0.5K", 512),
    ],
)
def test_a_size_is_read_as_people_write_it(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "lots",
        "G",
        "B",
        "4X",
        "4GG",
        "-4G",
        "+4G",
        "0",
        "0.0M",
        "4,5G",
        ".5G",
        "1e9",
        "inf",
        "nan",
        "8388608T",
        "9" * 18 + "T",
        "9" * 400,
        "9" * 5000 + "G",
        "0." + "0" * 400 + "1T",
    ],
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="this is no size") as caught:
        parse_size(text)
    assert caught.value.thing == text


@given(number=st.integers(1, 2**40), unit=st.sampled_from(" KMGT"))
def test_every_whole_number_of_a_unit_is_taken_exactly(number: int, unit: str) -> None:
    assume(number * 1024 ** " KMGT".index(unit) < 2**63)
    assert parse_size(f"{number}{unit}") == number * 1024 ** " KMGT".index(unit)


@pytest.mark.parametrize("text", ["none", "None", " NONE "])
def test_a_limit_can_be_none(text: str) -> None:
    assert parse_limit(text) == 0


def test_a_limit_is_a_size_otherwise() -> None:
    assert parse_limit("4G") == parse_size("4G")
    for wrong in ("0.0001K", "lots"):
        with pytest.raises(UsageError, match="this is no size"):
            parse_limit(wrong)


@pytest.mark.parametrize(
    "forms",
    [
        ("json", "csv"),
        ("json", "paths"),
        ("json", "null"),
        ("csv", "paths"),
        ("csv", "null"),
        ("json", "csv", "paths", "null"),
    ],
    ids=" ".join,
)
def test_an_answer_has_one_form(forms: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="an answer has one form") as caught:
        require_one_form(**{"json": False} | dict.fromkeys(forms, True))
    assert f"--{forms[0]}" in caught.value.thing


@pytest.mark.parametrize("forms", [(), ("json",), ("csv",), ("paths",), ("paths", "null")])
def test_one_form_or_none_is_fine(forms: tuple[str, ...]) -> None:
    require_one_form(**{"json": False} | dict.fromkeys(forms, True))


@pytest.mark.parametrize("line", ["search a.jpg", "classify a.jpg", "duplicates"])
def test_every_command_with_several_forms_takes_one(quick: Run, line: str) -> None:
    done = quick(*line.split(), "--json", "--csv", "--store", "none")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"error: --json and --csv: an answer has one form.")
