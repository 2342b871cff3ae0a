"""One case: a function in a process of its own, and what became of it."""

from __future__ import annotations

import os
import pickle
import select
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from engine.errors import EngineError

SECONDS = 10.0
GOOD = ("survived", "noticed", "missed")
BAD = ("wrong", "crash", "hang", "unexplained")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case.

    Attributes
    ----------
    outcome
        One of `GOOD` or `BAD`.
    detail
        What was said, or what is wrong.
    """

    outcome: str
    detail: str = ""


class WrongAnswerError(AssertionError):
    """An answer is not true."""


def run(function: Callable[[], str | None], seconds: float = SECONDS) -> Result:
    """Run a function in a fork, and say what became of it.

    Parameters
    ----------
    function
        Returns an outcome, None for `survived`. An `EngineError` means that something was noticed.
    seconds
        How long it may take.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _answer(function, writing)
    os.close(writing)
    try:
        return _awaited(child, reading, seconds)
    finally:
        os.close(reading)


def start(function: Callable[[], Any]) -> int:
    """Begin a function in a fork that leads a group of processes; return its id."""
    child = os.fork()
    if not child:
        os.setsid()
        _silence()
        try:
            function()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return child


def kill(child: int) -> bool:
    """Kill what `start` began; return whether it was still at work."""
    was_alive = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return was_alive


def _answer(function: Callable[[], str | None], writing: int) -> None:
    _silence()
    try:
        result = Result(function() or "survived")
    except WrongAnswerError as error:
        result = Result("wrong", str(error))
    except EngineError as error:
        result = Result("noticed", str(error))
    except BaseException:
        result = Result("unexplained", traceback.format_exc(limit=-6))
    os.write(writing, pickle.dumps(result)[:65_000])
    os._exit(0)


def _silence() -> None:
    """Let native libraries say nothing."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)


def _awaited(child: int, reading: int, seconds: float) -> Result:
    end, data = time.monotonic() + seconds, b""
    while (left := end - time.monotonic()) > 0:
        if not select.select([reading], [], [], left)[0]:
            break
        part = os.read(reading, 1 << 16)
        data += part
        if not part:
            _, status = os.waitpid(child, 0)
            if os.WIFSIGNALED(status):
                return Result("crash", signal.Signals(os.WTERMSIG(status)).name)
            if not data:
                return Result("crash", f"exit {os.WEXITSTATUS(status)} without a word")
            result: Result = pickle.loads(data)
            return result
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return Result("hang", f"not ended after {seconds:.0f} s")
