"""Clients over loopback that cost little: they run on the cores of the service that they ask.

Each client is one connection that asks for one thing after the other. What an answer says is not
looked at, beyond its status and how long it is. Both sides of a comparison get the same clients.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

HEAD_END = b"\r\n\r\n"


@dataclass
class Load:
    """What clients were answered.

    Attributes
    ----------
    seconds
        From the first question to the last answer.
    statuses
        Answers by status.
    waits
        Seconds until each answer of status 200.
    core_seconds
        What the clients took of a processor.
    last
        When the last answer came.
    """

    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    core_seconds: float = 0.0
    last: float = 0.0

    @property
    def rate(self) -> float:
        """Answers of status 200 a second."""
        return self.statuses[200] / self.seconds

    def wait(self, share: float) -> float:
        """Return in how many milliseconds such a share was answered."""
        return 1e3 * float(np.quantile(self.waits or [np.nan], share))


class _Client(asyncio.Protocol):
    """One connection.

    Parameters
    ----------
    start
        Where in the requests it begins; clients ask for different things at a time.
    """

    def __init__(self, requests: Sequence[bytes], start: int, until: float, load: Load) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._number = start
        self._until = until
        self._load = load
        self._answer = bytearray()
        self._length = -1
        self._status = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if self._length < 0:
            end = self._answer.find(HEAD_END)
            if end < 0:
                return
            head = bytes(self._answer[:end]).lower()
            self._status = int(head[9:12])
            self._again = _number(head, b"\r\nretry-after:")
            self._length = end + len(HEAD_END) + _number(head, b"\r\ncontent-length:")
        if len(self._answer) >= self._length:
            self._answered()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("the service closed a connection"))

    def _ask(self) -> None:
        if time.perf_counter() >= self._until:
            self.ended.set_result(None)
            self._transport.close()
            return
        self._answer.clear()
        self._length = -1
        self._began = time.perf_counter()
        self._transport.write(self._requests[self._number % len(self._requests)])
        self._number += 7

    def _answered(self) -> None:
        self._load.statuses[self._status] += 1
        self._load.last = time.perf_counter()
        if self._status == 200:
            self._load.waits.append(self._load.last - self._began)
            self._ask()
        else:
            # As long as it was told, a little more or less, so that not all come back at once.
            wait = self._again * (0.5 + (self._number * 0.37) % 1)
            asyncio.get_running_loop().call_later(wait, self._ask)


def _number(head: bytes, name: bytes) -> int:
    at = head.find(name)
    if at < 0:
        return 0
    return int(head[at + len(name) :].split(b"\r\n", 1)[0])


async def _ask(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    load, loop, began = Load(seconds), asyncio.get_running_loop(), time.perf_counter()
    until = began + seconds
    made = [
        await loop.create_connection(
            lambda number=number: _Client(requests, number, until, load),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
        for number in range(clients)
    ]
    await asyncio.gather(*(client.ended for _, client in made))
    # What was asked in time may be answered later, and counts.
    load.seconds = load.last - began
    return load


def asked(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Ask with so many clients at once, each of which waits for its answer."""
    began = time.process_time()
    load = asyncio.run(_ask(port, requests, clients, seconds))
    load.core_seconds = time.process_time() - began
    return load


def request(path: str, kind: str, body: bytes) -> bytes:
    """Return a request as it is sent."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
