"""What `POST /v1/jobs` can start: a row for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from server.jobs.work import Work
from server.responses.problems import RefusedError

LEVELS = ("exact", "copy", "similar")
LONGEST_PATTERN = 1000
# What a body asks for, without `kind`.
Wishes = Mapping[str, Any]


def work_of(body: object) -> Work:
    """Return what a request's body asks for.

    Raises
    ------
    RefusedError
        There is no such kind, or it has no such option.
    """
    kind = body.get("kind") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(kind, str) or kind not in KINDS:
        names = ", ".join(KINDS)
        raise _refused(
            "kind",
            "there is no such kind of job",
            f"Use one of {names}; or POST /v1/index, /v1/images, /v1/heads",
        )
    return KINDS[kind]({name: value for name, value in body.items() if name != "kind"})


def _duplicates(wishes: Wishes) -> Work:
    _require_names(wishes, "level", "keep")
    level, keep = wishes.get("level", "copy"), wishes.get("keep", "largest")
    if level not in LEVELS:
        raise _refused("level", "there is no such level", f"Use one of {', '.join(LEVELS)}")
    if not isinstance(keep, str) or len(keep) > LONGEST_PATTERN:
        raise _refused("keep", "it is no text", "Use largest, oldest or a pattern of paths")
    return Work(
        "duplicates",
        f"Look for duplicates ({level})",
        lambda engine: engine.duplicates(level=level, keep=keep),
        writes=False,
    )


def _suspects(wishes: Wishes) -> Work:
    _require_names(wishes)
    return Work(
        "suspects", "Look for doubtful labels", lambda engine: engine.suspects(), writes=False
    )


def _map(wishes: Wishes) -> Work:
    _require_names(wishes)
    return Work("map", "Make a map of the catalog", lambda engine: engine.maps.make(), writes=False)


# A kind more is a function from what is wished for to what is done, and its name here.
KINDS: Mapping[str, Callable[[Wishes], Work]] = {
    "duplicates": _duplicates,
    "suspects": _suspects,
    "map": _map,
}


def _require_names(wishes: Wishes, *names: str) -> None:
    for name in wishes:
        if name not in names:
            known = f"Use {', '.join(names)}" if names else "Leave it out"
            raise _refused(str(name)[:100], "this kind of job has no such option", known)


def _refused(thing: str, reason: str, remedy: str) -> RefusedError:
    return RefusedError(400, "BodyError", thing, reason, remedy)
