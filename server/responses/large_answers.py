"""Large answers: sent piece by piece, and no more of them at a time than there is room for."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.requests.bodies import BodyBudget
from server.responses.problems import RefusedError, refused

# What is larger counts; of it so much is given to the connection at a time.
LARGE, PIECE = 1 << 18, 1 << 16


class LargeAnswers:
    """Counts each large answer that lies in memory until its client has taken it.

    Parameters
    ----------
    app
        What answers.
    bodies
        Where they count; an answer for which there is no room is refused.
    """

    def __init__(self, app: ASGIApp, bodies: BodyBudget) -> None:
        self._app = app
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        start: Message | None = None

        async def sent(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _size(message) > LARGE:
                start = message
                return
            if start is None:
                await send(message)
                return
            begin, start = start, None
            if message.get("more_body", False) or len(message["body"]) <= LARGE:
                # It comes in pieces, and does not lie in memory whole.
                await send(begin)
                await send(message)
                return
            try:
                await self._send(begin, message["body"], send)
            except RefusedError as refusal:
                await refused(refusal)(scope, receive, send)

        await self._app(scope, receive, sent)

    async def _send(self, begin: Message, body: bytes, send: Send) -> None:
        with self._bodies.room(len(body)):
            await send(begin)
            for at in range(0, len(body), PIECE):
                # It waits while the connection has enough.
                piece, more = body[at : at + PIECE], at + PIECE < len(body)
                await send({"type": "http.response.body", "body": piece, "more_body": more})


def _size(start: Message) -> int:
    announced = Headers(raw=start["headers"]).get("content-length", "")
    return int(announced) if announced.isdecimal() else 0
