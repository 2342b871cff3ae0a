"""How a service works: where it listens, whom it lets in, and how much it takes on."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from engine.config import UrlLimits, require_number, usable_cores
from engine.errors import UsageError

EVERYWHERE = ("0.0.0.0", "::", "[::]")
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1", "[::1]")


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """How much a service takes on at a time; what comes beyond is refused at once.

    Attributes
    ----------
    body_bytes
        Of a request without pictures.
    upload_bytes
        Of a request with pictures.
    folder_bytes
        Of all files in the folder for pictures that are sent to stay.
    pictures
        In one request.
    ids
        Images of the catalog that one request searches for.
    judged
        Images that one request says something of, and asks about.
    body_seconds
        How long a client may take to send a request's body.
    threads
        Pictures that are decoded and embedded at a time.
    waiting
        Requests with pictures that wait for a thread.
    reading_threads, reading_waiting
        The same of requests that only read the catalog.
    reading_patience
        Seconds after which another thread helps the one that answers these.
    slow_waiting
        Requests that wait to read all of the store, one after the other.
    lessons_waiting
        Requests for a lesson that wait, one after the other.
    changes_waiting
        Requests that wait to change the store, one after the other.
    jobs_waiting
        Jobs that wait for the one that runs.
    jobs_seconds
        How often it is looked what other processes of the store do with their jobs.
    state_threads, state_waiting
        Requests for whether it can answer and what it has counted, at a time and that wait.
    lock_seconds
        How long a job waits where another process writes to the store.
    listeners
        Clients that follow jobs as they go on.
    fetches, fetches_waiting
        Requests whose URLs are fetched at a time, and that wait for it.
    requests
        That are answered, wait or are still being sent.
    connections
        Of all clients; one more is closed at once.
    head_seconds
        How long a client may take to send a request's line and headers, or to begin with them.
    idle_seconds
        How long a connection stays open after an answer.
    answer_seconds
        How long a client may take nothing of an answer.
    all_bodies_bytes
        Of all requests that are being sent or answered, and of large answers.
    retry_seconds
        When a client that was refused may come again.
    rate, burst
        Requests a second of one client that is not on this machine, and how many at once.
    stop_seconds
        How long requests that were begun may take when the service ends.
    thumbnail_sides
        Pixels of the longer side that a thumbnail may have.
    thumbnail_bytes, thumbnail_disk_bytes
        Of all thumbnails that are cached in memory, and in the user's cache.
    """

    body_bytes: int = 1 << 20
    upload_bytes: int = 64 << 20
    folder_bytes: int = 100 << 30
    pictures: int = 16
    ids: int = 100
    judged: int = 5000
    body_seconds: float = 30.0
    threads: int = field(default_factory=lambda: max(4, usable_cores()))
    waiting: int = 64
    reading_threads: int = field(default_factory=lambda: max(4, usable_cores()))
    reading_waiting: int = 256
    reading_patience: float = 0.005
    slow_waiting: int = 4
    lessons_waiting: int = 16
    changes_waiting: int = 16
    jobs_waiting: int = 16
    jobs_seconds: float = 0.5
    state_threads: int = 2
    state_waiting: int = 16
    lock_seconds: float = 600.0
    listeners: int = 64
    fetches: int = 4
    fetches_waiting: int = 16
    requests: int = 512
    connections: int = 768
    head_seconds: float = 10.0
    idle_seconds: int = 5
    answer_seconds: float = 30.0
    all_bodies_bytes: int = 512 << 20
    retry_seconds: int = 1
    rate: float = 50.0
    burst: int = 200
    stop_seconds: int = 20
    thumbnail_sides: tuple[int, ...] = (128, 256, 512)
    thumbnail_bytes: int = 64 << 20
    thumbnail_disk_bytes: int = 512 << 20

    def of_each(self, processes: int) -> ServerLimits:
        """Return what each of several processes takes on, so that all take on as much as one.

        Connections spread as they come: of those, and of what waits, each may have as many as one
        process alone. All end within `stop_seconds`.
        """
        least = 1 if processes == 1 else 2
        return replace(
            self,
            threads=max(least, self.threads // processes),
            reading_threads=max(least, self.reading_threads // processes),
            all_bodies_bytes=max(2 * self.upload_bytes, self.all_bodies_bytes // processes),
            thumbnail_bytes=self.thumbnail_bytes // processes,
            listeners=max(1, self.listeners // processes),
            stop_seconds=max(1, self.stop_seconds - 2),
        )


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where a service listens, and whom it lets in.

    Attributes
    ----------
    host, port
        Where it listens.
    token
        What a client has to show; None where none is asked for.
    allowed_hosts
        Names that it may be asked by, beside those of this machine.
    read_only
        Refuse whatever changes the store.
    root_path
        The path below which a proxy shows it, such as `/pictures`.
    urls
        Within which limits pictures are fetched from URLs that clients name; None for not at all.
    once
        What stands for the token in one link, and lets in who follows it first.
    shared
        A folder of the processes that serve one address together; None for one alone.
    folder
        Where pictures are kept that clients send to stay; None where none are taken.
    limits
        How much it takes on.

    Raises
    ------
    UsageError
        A value is one that it cannot have, or anyone could ask: it listens beyond this machine and
        has no token.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    read_only: bool = False
    root_path: str = ""
    urls: UrlLimits | None = None
    once: str | None = None
    shared: Path | None = None
    folder: Path | None = None
    limits: ServerLimits = field(default_factory=ServerLimits)

    def __post_init__(self) -> None:
        require_number("port", self.port, 0, 65535, whole=True)
        if self.token is not None and (len(self.token) < 16 or not self.token.isascii()):
            raise UsageError(
                "token", "it is too short, or not ASCII", "Use 16 characters or more, at random"
            )
        if self.token is None and not is_loopback(self.host):
            raise UsageError(
                f"--host {self.host}",
                "anyone in the network could ask, and there is no token",
                "Give one with --token-file FILE or ENGINE_TOKEN",
            )
        if self.folder is not None and not (self.folder.is_absolute() and self.folder.is_dir()):
            raise UsageError(f"--folder {self.folder}", "there is no such folder", "Make it first")
        if self.root_path and (not self.root_path.startswith("/") or self.root_path.endswith("/")):
            raise UsageError(
                f"--root-path {self.root_path}", "it is no path", "Write for example /pictures"
            )

    @property
    def address(self) -> str:
        """Where to ask it from this machine, as a URL that ends with a slash."""
        everywhere = self.host in EVERYWHERE
        name = next(iter(self.allowed_hosts), "localhost") if everywhere else self.host
        if self.host in ("127.0.0.1", "localhost"):
            name = "localhost"
        name = f"[{name}]" if ":" in name and not name.startswith("[") else name
        return f"http://{name}:{self.port}{self.root_path}/"

    @property
    def hosts(self) -> frozenset[str]:
        """All names that it may be asked by, in lower case, without a port."""
        own = () if self.host in EVERYWHERE else (self.host, f"[{self.host}]")
        return frozenset(name.lower() for name in (*LOOPBACK_NAMES, *own, *self.allowed_hosts))


def is_address(host: str) -> bool:
    """Say whether a name is an address itself, which nobody can make lead elsewhere."""
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches what listens there."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
