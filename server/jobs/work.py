"""What a job does, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine import Engine


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done with an engine, and what to call it.

    Attributes
    ----------
    kind
        What kind of job it is.
    title
        What it does, for people.
    do
        Asks an engine whose reporter is the job's; what it returns is the job's result.
    writes
        Whether it holds the store's writer lock: nothing else can be changed meanwhile.
    """

    kind: str
    title: str
    do: Callable[[Engine], object]
    writes: bool
