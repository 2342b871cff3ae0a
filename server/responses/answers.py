"""Results as answers: the objects that `--json` prints."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from engine.export.plain import json_text
from server.jobs.job import Job


def answer(value: object, status: int = 200) -> Response:
    """Return a result as JSON; names that are no UTF-8 are escaped, as Python reads them back."""
    return Response(json_text(value), status, media_type="application/json")


def shown(
    job: Job, status: int = 200, headers: Mapping[str, str] | None = None, *, whole: bool = False
) -> Response:
    """Return a job as JSON, with its result where it is wanted whole."""
    return Response(job.as_json(whole=whole), status, headers, "application/json")
