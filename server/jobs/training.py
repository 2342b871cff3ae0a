"""Jobs that train a head."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine import Engine, TrainOptions, TrainReport
from engine.heads.head import check_name
from server.jobs.work import Work
from server.responses.problems import RefusedError

Train = Callable[[Engine, str, TrainOptions], TrainReport]
# What a head can learn from, by the name that a request gives it.
SOURCES: Mapping[str, Train] = {
    "labels": lambda engine, head, how: engine.train(head=head, from_labels=True, options=how),
    "judgements": lambda engine, head, how: engine.train(
        head=head, from_judgements=True, options=how
    ),
}


def training(body: object) -> Work:
    """Return the training that a request's body asks for.

    Raises
    ------
    RefusedError
        There is no such training.
    UsageError
        No head can have that name.
    """
    if not isinstance(body, dict) or not set(body) <= {"name", "from", "fast"}:
        raise _refused("the request's body", "it is no wish for a head")
    name, source, fast = body.get("name"), body.get("from", "labels"), body.get("fast", False)
    if not isinstance(name, str):
        raise _refused("name", "it is no text")
    if not isinstance(source, str) or source not in SOURCES:
        raise _refused("from", f"a head learns from {' or '.join(SOURCES)}")
    if not isinstance(fast, bool):
        raise _refused("fast", "it is neither true nor false")
    check_name(name)
    train, how = SOURCES[source], TrainOptions(fast=True) if fast else TrainOptions()
    return Work("train", f"Train {name}", lambda engine: train(engine, name, how), writes=True)


def _refused(thing: str, reason: str) -> RefusedError:
    example = 'Send {"name": "rooms", "from": "labels", "fast": false}'
    return RefusedError(400, "BodyError", thing, reason, example)
