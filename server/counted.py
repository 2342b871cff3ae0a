"""What is known of each request when it has been answered: it is counted, and may be logged."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.metrics import Metrics
from server.requests.names import shown_name

LONGEST_PATH = 200


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered; nothing of what it brought, and nothing that is secret.

    Attributes
    ----------
    at
        When it came, in UTC.
    client
        Whose address it came from; behind a proxy that is the proxy's.
    method
        As `GET`.
    path
        What it asked for, without the query.
    route
        The pattern that fits, such as `/v1/images/{image_id}`; `none` where none does.
    status
        Of the answer.
    seconds
        From its first byte to the last one of the answer.
    bytes
        Of the answer's body.
    """

    at: datetime
    client: str
    method: str
    path: str
    route: str
    status: int
    seconds: float
    bytes: int

    def as_json(self) -> str:
        """Return it as an object on one line."""
        return json.dumps(
            {
                "time": self._time(),
                "client": self.client,
                "method": self.method,
                "path": self.path,
                "route": self.route,
                "status": self.status,
                "seconds": round(self.seconds, 6),
                "bytes": self.bytes,
            }
        )

    def as_text(self) -> str:
        """Return it as a line for people."""
        return (
            f"{self._time()} {self.client or '-'} {self.method} {self.path} "
            f"{self.status} {self.seconds:.3f} s {self.bytes} B"
        )

    def _time(self) -> str:
        return self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Hearer = Callable[[Answered], None]


class Counted:
    """Counts what an application answers, by route.

    Parameters
    ----------
    app
        What answers.
    metrics
        What counts.
    heard
        Is told of each answer; it must not wait.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, heard: Hearer | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._heard = heard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        at, began = datetime.now(UTC), time.perf_counter()
        status, size = 500, 0

        async def sent(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            # By its pattern: paths that clients make up would fill the memory.
            route = getattr(scope.get("route"), "path", "none")
            seconds = time.perf_counter() - began
            self._metrics.answered(scope["method"], route, status, seconds)
            if self._heard is not None:
                client = (scope.get("client") or ("",))[0]
                method, path = shown_name(scope["method"]), _quoted(str(scope["path"]))
                self._heard(Answered(at, client, method, path, route, status, seconds, size))


def _quoted(path: str) -> str:
    """Return a path as addresses write it: one word, and nothing that moves a terminal."""
    return quote(path[:LONGEST_PATH], safe="/:@,+~", errors="replace")
