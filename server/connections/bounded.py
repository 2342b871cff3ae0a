"""Connections that are bounded in number, and that nobody keeps open without using them."""

from __future__ import annotations

import asyncio
from typing import Any

from server.connections.http_protocol import BoundedProtocol
from server.options import ServerLimits


class BoundedConnection(BoundedProtocol):
    """One client's connection; it is closed where its client is too slow.

    uvicorn closes a connection on which nothing comes after an answer. Here that is so before the
    first request, too, within its line and headers, and while an answer is sent that nobody takes.
    """

    limits = ServerLimits()

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._head_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, if there is room."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.abort()
            return
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_head_timer()
        self._stop_answer_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        super().data_received(data)
        self._watch_head()

    def pause_writing(self) -> None:
        """Send no more until some is taken."""
        super().pause_writing()
        if self._answer_timer is None:
            self._answer_timer = self.loop.call_later(self.limits.answer_seconds, self._abort)

    def resume_writing(self) -> None:
        """Send more."""
        self._stop_answer_timer()
        super().resume_writing()

    def _watch_head(self) -> None:
        """Wait for the end of a request's headers, for so long since the first of it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_head_timer()
        elif self._head_timer is None and self.timeout_keep_alive_task is None:
            self._head_timer = self.loop.call_later(self.limits.head_seconds, self._abort)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch_head()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_answer_timer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def _abort(self) -> None:
        self.transport.abort()


def bounded_connection(limits: ServerLimits) -> type[BoundedConnection]:
    """Return a connection within such limits, as uvicorn makes them."""
    return type("Connection", (BoundedConnection,), {"limits": limits})
