"""Lines about requests: what is in them, and that nobody waits for who reads them."""

from __future__ import annotations

import io
import json
import threading
from datetime import UTC, datetime

import pytest

from cli.access_log import AccessLog, access_log
from engine.errors import UsageError
from server.counted import Answered

AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
ANSWERED = Answered(
    AT, "192.0.2.7", "GET", "/v1/images/7", "/v1/images/{image_id}", 200, 0.01234, 42
)


def test_a_line_is_an_object_for_programs() -> None:
    stream = io.StringIO()
    log = AccessLog("json", stream)
    log.heard(ANSWERED)
    log.heard(ANSWERED)
    assert log.close() == 0
    one, other = map(json.loads, stream.getvalue().splitlines())
    assert one == other
    assert one == {
        "time": "2026-05-04T03:02:01.000Z",
        "client": "192.0.2.7",
        "method": "GET",
        "path": "/v1/images/7",
        "route": "/v1/images/{image_id}",
        "status": 200,
        "seconds": 0.01234,
        "bytes": 42,
    }


def test_a_line_is_words_for_people() -> None:
    stream = io.StringIO()
    log = AccessLog("text", stream)
    log.heard(ANSWERED)
    log.close()
    [line] = stream.getvalue().splitlines()
    assert line == "2026-05-04T03:02:01.000Z 192.0.2.7 GET /v1/images/7 200 0.012 s 42 B"


def test_other_forms_are_refused() -> None:
    with pytest.raises(UsageError, match="json or text"):
        AccessLog("xml", io.StringIO())


def test_without_a_form_there_is_no_log() -> None:
    with access_log(None) as heard:
        assert heard is None


class Stuck(io.StringIO):
    """A pipe that nobody reads until the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.goes_on = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.begun.set()
        self.goes_on.wait()
        return super().write(text)


def test_nobody_waits_for_who_reads_it() -> None:
    stream = Stuck()
    log = AccessLog("text", stream, waiting=3)
    log.heard(ANSWERED)
    stream.begun.wait()
    for _ in range(10):
        log.heard(ANSWERED)
    stream.goes_on.set()
    # One is being written and three wait; the others are counted.
    assert log.close() == 7
    assert len(stream.getvalue().splitlines()) == 4


class Gone(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_has_gone_ends_nothing() -> None:
    log = AccessLog("text", Gone())
    log.heard(ANSWERED)
    log.heard(ANSWERED)
    assert log.close() == 0
