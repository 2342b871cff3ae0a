"""A server on this machine that speaks as much of HTTP as a test wants, as slowly as it wants."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import pytest

Answer = Callable[["Visit"], None]
# Between two bytes of a server that trickles.
PAUSE = 0.02
OK = b"HTTP/1.1 200 OK\r\n"


class Visit:
    """One client: what it asked, and what to send to it."""

    def __init__(self, connection: socket.socket, stopped: threading.Event) -> None:
        self._connection = connection
        self._stopped = stopped
        self.port = int(connection.getsockname()[1])
        self.request = b""

    @property
    def path(self) -> str:
        """What was asked for."""
        return self.request.split(b" ")[1].decode("latin-1")

    def read_request(self) -> None:
        """Wait for the request's end."""
        while b"\r\n\r\n" not in self.request:
            some = self._connection.recv(4096)
            if not some:
                raise ConnectionError
            self.request += some

    def send(self, data: bytes) -> None:
        """Send at once."""
        self._connection.sendall(data)

    def trickle(self, data: Iterable[bytes]) -> None:
        """Send piece by piece, with pauses, until the client hangs up or the test ends."""
        for piece in data:
            if self._stopped.wait(PAUSE):
                return
            self._connection.sendall(piece)

    def flood(self, piece: bytes) -> None:
        """Send the same for ever, without pauses, until the client hangs up or the test ends."""
        while not self._stopped.is_set():
            self._connection.sendall(piece)

    def reset(self) -> None:
        """Break the connection off, so that what was sent may be lost."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()

    def wait(self, seconds: float) -> None:
        """Do nothing."""
        self._stopped.wait(seconds)


class HostileServer:
    """Answers every client as `answer` says; for the path alone it makes no difference."""

    def __init__(self) -> None:
        self.answer: Answer = lambda visit: None
        self.stopped = threading.Event()
        self.requests: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._visit, args=(connection,), daemon=True).start()

    def _visit(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            visit = Visit(connection, self.stopped)
            visit.read_request()
            self.requests.append(visit.request)
            self.answer(visit)

    def close(self) -> None:
        """Let go of everything."""
        self.stopped.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)


@pytest.fixture
def hostile() -> Iterator[HostileServer]:
    """A hostile server of the test's own."""
    server = HostileServer()
    yield server
    server.close()
