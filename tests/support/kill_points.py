"""Processes that are killed at a step of their work: at each one, if a test likes.

A step is a line that changes something on a disk or in a catalog. Between two of them all that a
kill could leave is the same.
"""

from __future__ import annotations

import gc
import linecache
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

STEP = re.compile(
    r"\b(link|unlink|replace|rename|mkdir|makedirs|rmdir|fsync|write|make_regular|chmod|chown|utime"
    r"|copystat|os\.open|sync_folder|hide|restat|reveal|close)\("
)


def killed_at(step: int, files: Sequence[str], work: Callable[[], object]) -> bool:
    """Do some work in a fork that is killed, without a warning, before a step of it.

    Parameters
    ----------
    step
        How many steps are done before.
    files
        Parts of the names of the files whose lines are steps.
    work
        What to do.

    Returns
    -------
    bool
        Whether it was killed; else it has ended before.
    """
    child = os.fork()
    if not child:
        _work_until(step, files, work)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert not os.WEXITSTATUS(status), "the work has failed"
    return False


def _work_until(step: int, files: Sequence[str], work: Callable[[], object]) -> None:
    left = step
    # Every call of any function asks, most of them in other files, so the answers are kept.
    traced: dict[str, bool] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        file = frame.f_code.co_filename
        if file not in traced:
            traced[file] = any(name in file for name in files)
        if not traced[file]:
            return None
        if event == "line" and STEP.search(linecache.getline(file, frame.f_lineno)):
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
        return trace

    # Else a search for garbage would write to, and so copy, each page that the fork shares.
    gc.freeze()
    sys.settrace(trace)
    try:
        work()
    except BaseException as error:
        os.write(2, f"{error!r}\n".encode("utf-8", "backslashreplace"))
        os._exit(1)
    os._exit(0)
