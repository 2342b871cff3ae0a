"""`/v1/jobs`: work that takes long, begun, followed, cancelled and forgotten."""

from __future__ import annotations

import json
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from server.jobs.events import MEDIA_TYPE, job_events
from server.jobs.kinds import KINDS, work_of
from server.responses.answers import shown
from server.responses.problems import busy
from server.routes.job_schemas import JOB, JOB_PAGE, asking
from server.service import Service

JobId = Annotated[str, Path(max_length=40, description="A job.")]
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
}


class _Events(StreamingResponse):
    """Events, and a call when nobody follows them any more."""

    def __init__(self, events: AsyncIterator[bytes], ended: Callable[[], None]) -> None:
        super().__init__(events, headers={"cache-control": "no-store"}, media_type=MEDIA_TYPE)
        # It is called once, and where the answer is never begun, too.
        self._ended = weakref.finalize(self, ended)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


def job_routes(service: Service) -> APIRouter:
    """Return the routes of jobs."""
    routes, limits = APIRouter(tags=["Jobs"]), service.options.limits
    jobs, listening = service.jobs, 0

    def events(job_id: str | None = None) -> Response:
        nonlocal listening
        if listening >= limits.listeners:
            raise busy("events", f"{listening} clients follow jobs", limits.retry_seconds)
        answer = _Events(job_events(jobs, job_id), ended)
        listening += 1
        return answer

    def ended() -> None:
        nonlocal listening
        listening -= 1

    @routes.get("/v1/jobs", response_class=Response, responses=JOB_PAGE)
    async def list_jobs(
        cursor: Annotated[str | None, Query(max_length=40)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> Response:
        """List jobs, the newest first, without their results."""
        found = await service.reads.run(jobs.all)
        ids = [job.id for job in found]
        start = ids.index(cursor) + 1 if cursor in ids else 0
        page = found[start : start + limit]
        more = json.dumps(page[-1].id if start + limit < len(found) else None)
        texts = ",".join(job.as_json(whole=False) for job in page)
        return Response(f'{{"jobs":[{texts}],"cursor":{more}}}', media_type="application/json")

    @routes.post(
        "/v1/jobs",
        status_code=202,
        response_class=Response,
        responses=JOB,
        openapi_extra=asking(
            {
                "kind": {"type": "string", "enum": list(KINDS)},
                "level": {"type": "string", "enum": ["exact", "copy", "similar"]},
                "keep": {"type": "string"},
            },
            ["kind"],
            {"kind": "duplicates", "level": "copy", "keep": "largest"},
        ),
    )
    async def begin_job(request: Request) -> Response:
        """Begin a job that looks at all of the catalog."""
        service.require_writable()
        return await service.begin(work_of(await service.told(request)))

    @routes.get("/v1/jobs/events", response_class=Response, responses=EVENTS)
    async def follow_jobs() -> Response:
        """Tell of all jobs as they go on, as server-sent events, without end."""
        return events()

    @routes.get("/v1/jobs/{job_id}", response_class=Response, responses=JOB)
    async def show_job(job_id: JobId) -> Response:
        """Return a job, with its result when it is done."""
        return await service.reads.run(lambda: shown(jobs[job_id], whole=True))

    @routes.get("/v1/jobs/{job_id}/events", response_class=Response, responses=EVENTS)
    async def follow_job(job_id: JobId) -> Response:
        """Tell of a job as it goes on, as server-sent events, until it ends."""
        await service.reads.run(lambda: jobs[job_id])
        return events(job_id)

    @routes.delete(
        "/v1/jobs/{job_id}",
        status_code=202,
        response_class=Response,
        responses={**JOB, 204: {"description": "It is forgotten."}},
    )
    async def end_job(job_id: JobId) -> Response:
        """Cancel a job, which keeps what is committed (202); forget one that has ended (204)."""
        service.require_writable()
        job = await service.reads.run(lambda: jobs.end(job_id))
        return Response(status_code=204) if job is None else shown(job, 202)

    return routes
