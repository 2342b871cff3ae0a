"""Something that another thread does at one moment of what a test looks at."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, act: Callable[[], Any]
) -> list[Any]:
    """Let another thread act when a method is called first, before that does anything.

    Returns
    -------
    list of Any
        Empty; then what acting returned, or raised.
    """
    method, seen = getattr(owner, name), list[Any]()

    def first(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(owner, name, method)
        with ThreadPoolExecutor(1) as other:
            done = other.submit(act)
            seen.append(done.exception() or done.result())
        return method(*args, **options)

    monkeypatch.setattr(owner, name, first)
    return seen
