"""One connection to a server, or to a proxy, that ends with the time and the size of a fetch."""

from __future__ import annotations

import http.client
import io
import socket
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from engine.config import UrlLimits
from engine.pictures.urls.addresses import Found, internal_address

PORTS = {"http": 80, "https": 443}
CHECK = "Check the address"

Announce = Callable[[str], None]
LookUp = Callable[[str, int, float], list[Found]]


class RefusedError(Exception):
    """What a URL leads to is not fetched; the text says why."""

    def __init__(self, reason: str, remedy: str = CHECK, status: int | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.status = status


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes.

    Attributes
    ----------
    scheme, host, port
        Of the server.
    path
        With the query, quoted.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port as a request writes them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


class Fetching:
    """One fetch: its limits, and what is left of its time."""

    def __init__(
        self, limits: UrlLimits, announce: Announce, look_up: LookUp, deadline: float
    ) -> None:
        self._limits = limits
        self._announce = announce
        self._look_up = look_up
        self._deadline = deadline

    def left(self) -> float:
        """Return the seconds that are left.

        Raises
        ------
        TimeoutError
            There are none.
        """
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def connection(self, target: Target) -> Stream:
        """Return a connection to a server, or to the proxy that leads to it.

        Raises
        ------
        RefusedError
            Its port, or its address, is not one to be asked.
        """
        self._require_port(target)
        proxy = self._proxy(target)
        if proxy is None:
            stream = Stream(self._socket(target.host, target.port), self)
        else:
            stream = Stream(self._socket(*_host_and_port(proxy), proxy=True), self)
        stream.proxy = proxy
        try:
            if target.scheme == "https":
                if proxy is not None:
                    _tunnel(stream, target, proxy)
                stream.encrypt(target.host)
        except BaseException:
            stream.close()
            raise
        return stream

    def _require_port(self, target: Target) -> None:
        ports = self._limits.ports
        if ports and target.port not in ports:
            named = ", ".join(map(str, ports))
            raise RefusedError(
                f"it leads to port {target.port}, and only {named} are asked",
                "Save the picture and send it",
            )

    def _proxy(self, target: Target) -> SplitResult | None:
        """Return the proxy that the environment names; none where it would resolve names for us."""
        if not self._limits.internal or proxy_bypass(target.authority):
            return None
        named = getproxies().get(target.scheme)
        return urlsplit(named if "://" in named else f"http://{named}") if named else None

    def _socket(self, host: str, port: int, *, proxy: bool = False) -> socket.socket:
        """Return a connected socket.

        What is checked is the very address that is connected to: a name that is looked up twice
        may have another one the second time.
        """
        found = self._look_up(host, port, self.left())
        last: Exception | None = None
        for number, (family, address) in enumerate(found):
            internal = not proxy and internal_address(address[0])
            if internal and not self._limits.internal:
                # Whoever asks is a stranger: not even the address is theirs to know.
                last = RefusedError(
                    f"{host} is of this machine or of an internal network",
                    "Such addresses are not fetched from; save the picture and send it",
                )
                continue
            connected = socket.socket(family, socket.SOCK_STREAM)
            try:
                # One address that does not answer leaves time for the others.
                connected.settimeout(self.left() / (len(found) - number))
                connected.connect(address)
            except OSError as error:
                connected.close()
                last = error
                self.left()
                continue
            if internal:
                self._announce(f"{host} is {address[0]}: of this machine or the local network")
            return connected
        raise last or OSError(f"{host} has no address")

    def count(self, received: int) -> None:
        """Refuse more bytes than one connection may bring.

        Raises
        ------
        RefusedError
            It has brought more.
        """
        if received > self._limits.bytes + self._limits.overhead:
            raise too_large(self._limits)


class Stream:
    """A socket that ends with the fetch's time and size; to `http.client` it is a socket."""

    def __init__(self, connected: socket.socket, fetching: Fetching) -> None:
        self._socket = connected
        self._fetching = fetching
        self._received = 0
        self.proxy: SplitResult | None = None

    def encrypt(self, host: str) -> None:
        """Speak TLS from now on."""
        import ssl

        # The handshake as a whole ends with the time-out.
        self._socket.settimeout(self._fetching.left())
        self._socket = ssl.create_default_context().wrap_socket(self._socket, server_hostname=host)

    def sendall(self, data: Any) -> None:
        """Send a request."""
        self._socket.settimeout(self._fetching.left())
        self._socket.sendall(data)

    def receive_into(self, buffer: Any) -> int:
        """Wait for some bytes, and return how many came; 0 at the end."""
        self._socket.settimeout(self._fetching.left())
        count = self._socket.recv_into(buffer)
        self._received += count
        self._fetching.count(self._received)
        return count

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return what `http.client` reads from."""
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


class _Reader(io.RawIOBase):
    """A stream as a file. Closing it leaves the stream open, which `fetch_bytes` closes."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes."""
        return self._stream.receive_into(buffer)


class Request(http.client.HTTPConnection):
    """One request over a stream that is there already, and that whoever made it closes."""

    def __init__(self, stream: Stream) -> None:
        super().__init__("")
        self.sock: Any = stream
        self.auto_open = 0

    def close(self) -> None:
        """Leave the stream to whoever made it: an answer is read from it after this."""


def _host_and_port(proxy: SplitResult) -> tuple[str, int]:
    if proxy.scheme != "http" or not proxy.hostname:
        raise ValueError(f"a proxy by {proxy.scheme}: is not supported")
    return proxy.hostname, proxy.port or PORTS["http"]


def _tunnel(stream: Stream, target: Target, proxy: SplitResult) -> None:
    """Have a proxy connect to a server that speaks TLS."""
    connection = Request(stream)
    host = f"[{target.host}]" if ":" in target.host else target.host
    connection.putrequest("CONNECT", f"{host}:{target.port}", skip_host=True)
    connection.putheader("Host", f"{host}:{target.port}")
    authorize(connection, proxy)
    connection.endheaders()
    answer = connection.getresponse()
    if not 200 <= answer.status < 300:
        raise OSError(f"the proxy answered {answer.status} {answer.reason}")


def authorize(connection: http.client.HTTPConnection, proxy: SplitResult) -> None:
    """Write what a proxy knows a user by, where the environment names one."""
    if proxy.username is not None:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        value = b64encode(pair.encode()).decode("ascii")
        connection.putheader("Proxy-Authorization", f"Basic {value}")


def too_large(limits: UrlLimits) -> RefusedError:
    """Return what is said of a picture with more bytes than the limit."""
    return RefusedError(
        f"it is larger than {limits.bytes / 1e6:.3g} MB", "Save it and name the file"
    )
