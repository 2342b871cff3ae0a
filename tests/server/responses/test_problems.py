"""Every error of the engine has a status, and is told with its reason and its remedy."""

from __future__ import annotations

import json

import pytest

import engine.errors
from engine.errors import EngineError, FormatError, StoreLockedError, UsageError
from server.responses.problems import STATUS, failed, refused, status_of
from server.responses.problems import RefusedError as Refused

KINDS = [getattr(engine.errors, name) for name in engine.errors.__all__]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_says_what_why_and_what_helps(kind: type[EngineError]) -> None:
    more = ("HEIC",) if kind is FormatError else ()
    answer = failed(kind("chair.jpg", "it is cut off", "Copy it again", *more), 7)
    told = json.loads(bytes(answer.body))
    assert answer.media_type == "application/problem+json"
    assert (told["type"], told["status"]) == (kind.__name__, answer.status_code)
    assert told["detail"] == "chair.jpg: it is cut off. Copy it again"
    assert (told["thing"], told["reason"], told["remedy"]) == (
        "chair.jpg",
        "it is cut off",
        "Copy it again",
    )
    assert answer.status_code >= 400


def test_a_branch_s_first_error_that_fits_decides() -> None:
    order = list(STATUS)
    for number, kind in enumerate(order):
        assert not any(issubclass(kind, earlier) for earlier in order[:number])


def test_what_a_client_did_wrong_is_no_fault_of_the_service() -> None:
    for kind in KINDS:
        if issubclass(kind, UsageError):
            assert status_of(kind("a", "b", "c")) < 500


def test_who_finds_the_store_locked_is_told_when_to_come_again() -> None:
    answer = failed(StoreLockedError("store", "another process is writing", "Wait"), 7)
    assert (answer.status_code, answer.headers["retry-after"]) == (409, "7")


def test_a_refusal_brings_its_headers() -> None:
    answer = refused(Refused(429, "RateError", "a", "b", "c", {"Retry-After": "3"}))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")


@pytest.mark.parametrize("text", ["\ud800", "\x1b[31m", "<script>", "naïve \U0001f6cb"])
def test_odd_text_stays_within_json(text: str) -> None:
    answer = failed(EngineError(text, text, text), 1)
    assert bytes(answer.body).isascii()
    assert json.loads(bytes(answer.body))["thing"] == text
