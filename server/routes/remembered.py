"""Routes whose parameters are read once for each query string, not once for each request."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
# Query strings that are remembered of a route, and how long one may be: clients ask with few.
MOST, LONGEST = 64, 256


class RememberedRoute(APIRoute):
    """A route that remembers what query strings say.

    Under a profiler, to read and check the parameters of searches was a quarter of what the event
    loop did. Only what was accepted is remembered. Its endpoint takes the request by the name
    `request`, and nothing else but parameters of the query, which it does not change.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        self._known: dict[bytes, dict[str, Any]] = {}
        self._endpoint = endpoint

        @wraps(endpoint)
        async def noted(request: Request, **values: Any) -> Any:
            query = request.scope["query_string"]
            if len(self._known) < MOST and len(query) <= LONGEST:
                self._known[query] = values
            return await endpoint(request=request, **values)

        super().__init__(path, noted, **settings)

    def get_route_handler(self) -> Handler:
        """Return what answers a request."""
        reads_parameters = super().get_route_handler()

        async def handle(request: Request) -> Response:
            values = self._known.get(request.scope["query_string"])
            if values is None:
                return await reads_parameters(request)
            answer: Response = await self._endpoint(request=request, **values)
            return answer

        return handle
