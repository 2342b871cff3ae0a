"""The application: routes, what becomes of errors, what is counted, and the door before it all."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from engine import Engine, __version__
from engine.errors import EngineError
from server.connections.presence import CLIENT_GONE, Presence
from server.counted import Counted, Hearer
from server.options import ServerOptions
from server.responses.large_answers import LargeAnswers
from server.responses.problems import RefusedError, failed, refused, unforeseen
from server.routes.duplicates import duplicate_routes
from server.routes.heads import head_routes
from server.routes.images import image_routes
from server.routes.index import index_routes
from server.routes.jobs import job_routes
from server.routes.map import map_routes
from server.routes.page import page_routes
from server.routes.problem_responses import PROBLEMS, with_problems
from server.routes.search import search_routes
from server.routes.state import state_routes
from server.routes.suspects import suspect_routes
from server.routes.teach import teach_routes
from server.security.door import Door
from server.service import Service

DESCRIPTION = (
    "Find pictures that look alike, and say what they show. Errors are problem details (RFC 9457): "
    "what it is about, why it failed, and what helps."
)


@dataclass(frozen=True, slots=True)
class Application:
    """An application for any server of ASGI.

    Attributes
    ----------
    service
        What it asks; who serves the application closes it.
    """

    service: Service
    _app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._app(scope, receive, send)


def create_app(
    engine: Engine, options: ServerOptions | None = None, heard: Hearer | None = None
) -> Application:
    """Return the application of an open engine.

    Parameters
    ----------
    engine
        Stays open as long as it is served; who opened it closes it.
    options
        How to serve it; by default this machine alone may ask.
    heard
        Is told of each request when it has been answered, on the event loop: it must not wait.
    """
    options = options or ServerOptions()
    service = Service.of(engine, options)

    app = FastAPI(
        title="Engine",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=PROBLEMS,
    )
    plain = app.openapi
    app.openapi = lambda: with_problems(plain())  # type: ignore[method-assign]
    for routes in (
        page_routes,
        search_routes,
        image_routes,
        index_routes,
        head_routes,
        duplicate_routes,
        suspect_routes,
        map_routes,
        teach_routes,
        job_routes,
        state_routes,
    ):
        app.include_router(routes(service))
    _answer_errors(app, options)
    watched = Presence(LargeAnswers(app, service.bodies))
    return Application(service, Counted(Door(watched, options), service.metrics, heard))


def _answer_errors(app: FastAPI, options: ServerOptions) -> None:
    @app.exception_handler(EngineError)
    async def engine_failed(_: Request, error: EngineError) -> Response:
        return failed(error, options.limits.retry_seconds)

    @app.exception_handler(ClientDisconnect)
    async def client_gone(_: Request, __: ClientDisconnect) -> Response:
        # Nobody hears it; it is counted.
        return Response(status_code=CLIENT_GONE)

    @app.exception_handler(RefusedError)
    async def request_refused(_: Request, refusal: RefusedError) -> Response:
        return refused(refusal)

    @app.exception_handler(RequestValidationError)
    async def parameter_refused(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        return refused(RefusedError(400, "UsageError", name, first["msg"], "See GET /openapi.json"))

    @app.exception_handler(HTTPException)
    async def not_routed(request: Request, error: HTTPException) -> Response:
        return refused(
            RefusedError(
                error.status_code,
                "RouteError",
                f"{request.method} {request.url.path[:200]}",
                error.detail.lower(),
                "GET /openapi.json says what there is",
                error.headers,
            )
        )

    @app.exception_handler(Exception)
    async def not_foreseen(_: Request, error: Exception) -> Response:
        return refused(unforeseen(error))
