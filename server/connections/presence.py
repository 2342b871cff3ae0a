"""Whether a client is still there: what it asked for and has not begun is left out when it goes."""

from __future__ import annotations

import asyncio
from collections import deque

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What nginx counts a request as whose client has gone.
CLIENT_GONE = 499
# Most is answered sooner; what takes longer is worth to be watched.
PATIENCE_SECONDS = 0.2


class Presence:
    """Cancels what an application does for a client that has gone.

    Work that a thread has begun goes on; work that waits for a thread is taken out of its queue.

    Parameters
    ----------
    app
        What answers.
    patience
        Seconds that a request takes before its client is watched.
    """

    def __init__(self, app: ASGIApp, patience: float = PATIENCE_SECONDS) -> None:
        self._app = app
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        task = asyncio.current_task()
        assert task is not None
        client, begun = _Client(receive, task, self._patience), False

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, client.receive, sent)
        except asyncio.CancelledError:
            if not client.has_gone:
                raise
            task.uncancel()
            if not begun:
                # Nobody hears it; it is counted.
                await Response(status_code=CLIENT_GONE)(scope, receive, send)
        finally:
            client.leave()


class _Client:
    """What one client sends, and whether it is there still."""

    def __init__(self, receive: Receive, task: asyncio.Task[object], patience: float) -> None:
        self.has_gone = False
        self._receive = receive
        self._task = task
        self._patience = patience
        self._reading = 0
        self._came: deque[Message] = deque()
        # That something came, or that nothing more will.
        self._heard = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(patience, self._watch)

    async def receive(self) -> Message:
        """Return what the client sends next."""
        while self._watching is not None and not self._came and not self.has_gone:
            self._heard.clear()
            await self._heard.wait()
        if self._came:
            return self._came.popleft()
        if self.has_gone:
            return {"type": "http.disconnect"}
        self._reading += 1
        try:
            message = await self._receive()
        finally:
            self._reading -= 1
        return message

    def leave(self) -> None:
        """Watch no longer."""
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _watch(self) -> None:
        # Whoever reads learns by itself that the client has gone. More than one message ahead
        # would be memory that nobody has counted.
        if self._reading or self._came:
            self._watch_later()
        else:
            self._watching = self._loop.create_task(self._until_gone())

    def _watch_later(self) -> None:
        self._timer = self._loop.call_later(self._patience, self._watch)

    async def _until_gone(self) -> None:
        while (message := await self._receive())["type"] != "http.disconnect":
            self._came.append(message)
            self._heard.set()
            if message.get("more_body", False):
                self._watching = None
                self._watch_later()
                return
        self.has_gone = True
        self._heard.set()
        self._task.cancel()
