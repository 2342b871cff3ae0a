"""`POST /v1/index`: folders anew. `POST /v1/images`: pictures that are sent to stay."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from engine import Engine
from server.jobs.indexing import LONGEST_PATTERN, MOST_PATTERNS, index_work, indexing
from server.requests.asked import asked_about
from server.requests.uploads import Uploads
from server.responses.problems import RefusedError
from server.routes.job_schemas import JOB, asking
from server.routes.parameters import PICTURES
from server.service import Service


def index_routes(service: Service) -> APIRouter:
    """Return the routes that bring pictures into the catalog."""
    routes, options = APIRouter(tags=["Jobs"]), service.options
    limits = options.limits
    uploads = Uploads(options.folder, limits.folder_bytes)

    def folders(engine: Engine) -> list[str]:
        own = [] if options.folder is None else [str(options.folder)]
        return list(dict.fromkeys([*engine.images.folders, *own]))

    @routes.post(
        "/v1/index",
        status_code=202,
        response_class=Response,
        responses=JOB,
        openapi_extra=asking(
            {
                "paths": {"type": "array", "items": {"type": "string"}, "maxItems": 100},
                "label": {"type": ["string", "null"], "enum": ["parent", None]},
                "exclude": {
                    "type": "array",
                    "items": {"type": "string", "maxLength": LONGEST_PATTERN},
                    "maxItems": MOST_PATTERNS,
                },
            },
            [],
            {"paths": ["/srv/pictures/new"], "label": "parent", "exclude": ["*.tmp", "drafts"]},
            optional=True,
        ),
    )
    async def index(request: Request) -> Response:
        """Bring the catalog in step with folders that were indexed before, or with parts of them.

        Without `paths` with all of them. `exclude` has the patterns of `engine index --exclude`,
        which no run remembers from another: who excluded something on the command line sends it.
        """
        service.require_writable()
        body = {} if _is_empty(request) else await service.told(request)
        # Not on the event loop: a folder may lie on a slow network.
        work = await service.reads.run(lambda: indexing(body, folders(service.engine)))
        return await service.begin(work)

    @routes.post(
        "/v1/images",
        status_code=202,
        response_class=Response,
        responses=JOB,
        openapi_extra=PICTURES,
    )
    async def add_images(request: Request) -> Response:
        """Keep pictures as files of the service's own folder, and index them."""
        service.require_writable()
        uploads.require()
        service.jobs.require_room()
        with service.bodies.of(request, limits.upload_bytes):
            asked = await asked_about(request, limits)
            if not asked.images:
                raise RefusedError(
                    415, "BodyError", "the request", "there is no picture in it", "Send pictures"
                )
            images = service.engine.images
            paths = await service.pictures.run(lambda: uploads.store(asked.images, images))
        paths = list(dict.fromkeys(paths))
        title = f"Index {len(paths)} picture{'s' if len(paths) > 1 else ''} that came in"
        return await service.begin(index_work(paths, title))

    return routes


def _is_empty(request: Request) -> bool:
    headers = request.headers
    return headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
