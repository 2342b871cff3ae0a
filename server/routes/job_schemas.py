"""What OpenAPI is told of jobs, and of what begins one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from server.jobs.job import STATES
from server.requests.bodies import JSON

Schema = Mapping[str, Any]
_TIME = {"type": ["string", "null"], "format": "date-time"}
_PROPERTIES: Schema = {
    "id": {"type": "string"},
    "kind": {"type": "string"},
    "title": {"type": "string"},
    "state": {"type": "string", "enum": list(STATES)},
    "created_at": {"type": "string", "format": "date-time"},
    "started_at": _TIME,
    "ended_at": _TIME,
    "progress": {
        "type": ["object", "null"],
        "properties": {
            "task": {"type": "string"},
            "done": {"type": "integer"},
            "total": {"type": ["integer", "null"]},
            "unit": {"type": "string"},
        },
        "required": ["task", "done", "total", "unit"],
    },
    "announcements": {"type": "array", "items": {"type": "string"}},
    "problem": {"type": ["object", "null"]},
}
_JOB: Schema = {"type": "object", "properties": _PROPERTIES, "required": list(_PROPERTIES)}
# The result is there where one job is asked for.
_WHOLE = {**_JOB, "properties": {**_PROPERTIES, "result": {}}}
_PAGE = {
    "type": "object",
    "properties": {
        "jobs": {"type": "array", "items": _JOB},
        "cursor": {"type": ["string", "null"]},
    },
    "required": ["jobs", "cursor"],
}


def _answers(status: int, schema: Schema) -> dict[int | str, dict[str, Any]]:
    return {status: {"content": {JSON: {"schema": schema}}}}


JOB = {**_answers(200, _WHOLE), **_answers(202, _WHOLE)}
JOB_PAGE = _answers(200, _PAGE)


def asking(
    properties: Schema, required: Sequence[str], example: object, *, optional: bool = False
) -> dict[str, Any]:
    """Return what a route says of a body of JSON that begins a job."""
    schema = {"type": "object", "properties": properties, "required": list(required)}
    content = {JSON: {"schema": schema, "example": example}}
    return {"requestBody": {"required": not optional, "content": content}}
