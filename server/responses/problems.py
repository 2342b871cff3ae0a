"""What a client is told when something is wrong: problem details (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from engine.errors import (
    BackboneMismatchError,
    CatalogError,
    DiskFullError,
    EngineError,
    FetchError,
    FormatError,
    HeadError,
    HeadMismatchError,
    ImageError,
    ReadOnlyError,
    StoreError,
    StoreLockedError,
    StoreNotFoundError,
    TrainingError,
    UnknownCategoryError,
    UnknownHeadError,
    UnknownImageError,
    UnknownUndoError,
    UsageError,
    WeightsError,
)

MEDIA_TYPE = "application/problem+json"
# Of the errors of one branch the first that fits.
STATUS: Mapping[type[EngineError], int] = {
    UnknownImageError: 404,
    UnknownUndoError: 404,
    UnknownHeadError: 404,
    UnknownCategoryError: 404,
    UsageError: 400,
    FormatError: 415,
    FetchError: 422,
    ImageError: 422,
    StoreLockedError: 409,
    StoreNotFoundError: 409,
    BackboneMismatchError: 409,
    HeadMismatchError: 409,
    DiskFullError: 507,
    ReadOnlyError: 403,
    CatalogError: 500,
    StoreError: 500,
    HeadError: 422,
    TrainingError: 422,
    WeightsError: 503,
    EngineError: 500,
}


class RefusedError(Exception):
    """A request that is refused before the engine hears of it.

    Parameters
    ----------
    status
        Of HTTP.
    kind
        The problem's `type`.
    thing, reason, remedy
        As of `EngineError`.
    headers
        Of the answer.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        thing: str,
        reason: str,
        remedy: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{thing}: {reason}. {remedy}")
        self.status = status
        self.kind = kind
        self.thing = thing
        self.reason = reason
        self.remedy = remedy
        self.headers = headers


def busy(thing: str, reason: str, retry_seconds: int) -> RefusedError:
    """Return the refusal of what is too much at the moment."""
    headers = {"Retry-After": str(retry_seconds)}
    return RefusedError(503, "BusyError", thing, reason, "Try again soon", headers)


def status_of(error: EngineError) -> int:
    """Return the status of HTTP that an error of the engine has."""
    return next(status for kind, status in STATUS.items() if isinstance(error, kind))


def refused(refusal: RefusedError) -> Response:
    """Return the answer to a request that was refused."""
    body = json.dumps(refusal_problem(refusal))
    return Response(body, refusal.status, refusal.headers, MEDIA_TYPE)


def failed(error: EngineError, retry_seconds: int) -> Response:
    """Return the answer to a request that the engine could not do."""
    headers = {"Retry-After": str(retry_seconds)} if isinstance(error, StoreLockedError) else None
    return Response(json.dumps(problem_of(error)), status_of(error), headers, MEDIA_TYPE)


def problem_of(error: EngineError) -> dict[str, Any]:
    """Return the problem details of an error of the engine."""
    name = type(error).__name__
    return _problem(status_of(error), name, error.thing, error.reason, error.remedy)


def unforeseen(error: BaseException) -> RefusedError:
    """Return what a client is told of an error that should not be: no more than its kind.

    The service's log has it whole.
    """
    return RefusedError(
        500,
        "InternalError",
        type(error).__name__,
        "this should not happen",
        "The service's log says more; please report it",
    )


def refusal_problem(refusal: RefusedError) -> dict[str, Any]:
    """Return the problem details of a refusal."""
    return _problem(refusal.status, refusal.kind, refusal.thing, refusal.reason, refusal.remedy)


def _problem(status: int, kind: str, thing: str, reason: str, remedy: str) -> dict[str, Any]:
    return {
        "type": kind,
        "title": reason,
        "status": status,
        "detail": f"{thing}: {reason}. {remedy}",
        "thing": thing,
        "reason": reason,
        "remedy": remedy,
    }
