"""What a process that is forked takes along and must not touch: threads do not come with it.

A runtime and a connection to a database belong to threads, locks and files of the process that made
them. In a child they are neither used nor freed, and the child makes its own: to free a runtime is
to wait for its threads, which are not there.
"""

from __future__ import annotations

import os
from typing import Any
from weakref import WeakSet

_runtimes: WeakSet[Any] = WeakSet()
_registered = False


def belongs_here(runtime: object) -> None:
    """Note a runtime that was started: no child of this process frees it, not when it ends either.

    Nothing is registered before the first one.
    """
    global _registered
    _runtimes.add(runtime)
    if not _registered and hasattr(os, "register_at_fork"):
        _registered = True
        os.register_at_fork(after_in_child=_keep_runtimes)


def never_freed(*things: object) -> None:
    """Keep objects for as long as this process lives."""
    # Imported here: hardly a process is forked.
    import ctypes

    for thing in things:
        # A list would be emptied when Python ends, and they would be freed then.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _keep_runtimes() -> None:
    never_freed(*_runtimes)
    _runtimes.clear()
