"""A PostgreSQL server, and schemas of it.

The server is one of the tests' own, on a socket in a folder of its own: that of the package
`pgserver`, or the system's. `ENGINE_TEST_POSTGRES` names another one, as a SQLAlchemy URL of a
database in which the tests may make schemas.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.support.permissions import NOBODY

# For tests alone: what is lost with the machine may be.
FAST = "-c fsync=off -c shared_buffers=16MB"


class NoServerError(Exception):
    """There is no PostgreSQL here, or it does not start."""


def _programs() -> Path:
    """Return the folder of `initdb` and `pg_ctl`."""
    package = importlib.util.find_spec("pgserver")
    if package is not None and package.origin:
        # Not imported: that would make folders and locks which only its own functions need.
        return Path(package.origin).parent / "pginstall" / "bin"
    found = shutil.which("initdb")
    if found is None:
        raise NoServerError("no PostgreSQL server (pip install pgserver)")
    return Path(found).resolve().parent


def _not_root(folder: Path) -> dict[str, Any]:
    """Return how a program of the server is run in `folder`; it refuses root."""
    root = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    return {"cwd": folder, **(root if os.geteuid() == 0 else {})}


def _run(folder: Path, program: str, *arguments: str) -> None:
    command = [str(_programs() / program), "-D", str(folder / "data"), *arguments]
    with (folder / "output").open("ab") as output:
        subprocess.run(command, stdout=output, stderr=output, check=True, **_not_root(folder))


@contextmanager
def _ended_with_us(folder: Path) -> Iterator[None]:
    """Stop the server at the end of the block, or of this process where it is killed."""
    stop = 'cat; "$0" -D data -w -m immediate stop > /dev/null 2>&1; rm -rf data'
    with subprocess.Popen(
        ["sh", "-c", stop, str(_programs() / "pg_ctl")],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is not meant for it
        **_not_root(folder),
    ):
        yield


@contextmanager
def running_server(settings: str = FAST, parent: Path | None = None) -> Iterator[str]:
    """Run a server for the length of a `with` block; yield the URL of an empty database on it.

    Parameters
    ----------
    settings
        Options of the server.
    parent
        The folder to put its folder into.

    Raises
    ------
    NoServerError
        There is none, or it does not start.
    """
    _programs()
    # Short: the path of a socket may have some 100 characters.
    folder = Path(tempfile.mkdtemp(prefix="engine-pg-", dir=parent))
    try:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        try:
            _run(folder, "initdb", "-N", "-A", "trust", "-U", "engine", "-E", "UTF8", "--locale=C")
            _run(folder, "pg_ctl", "-w", "-o", f"-h '' -k {folder} {settings}", "start")
        except (OSError, subprocess.CalledProcessError) as error:
            raise NoServerError(f"PostgreSQL does not start here ({error})") from error
        with _ended_with_us(folder):
            yield f"postgresql+psycopg://engine@/postgres?host={folder}"
    finally:
        shutil.rmtree(folder)


def crash(url: str) -> None:
    """Kill every process of a server that `running_server` runs, as a power cut would."""
    data = _folder(url) / "data"
    pid = int((data / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for each in (pid, *map(int, children)):
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    while Path(f"/proc/{pid}").exists() and not _is_zombie(pid):
        time.sleep(0.01)
    # Where nobody buries it, its number is still taken: the next one would wait for it.
    (data / "postmaster.pid").unlink()


def start_again(url: str, settings: str = FAST) -> None:
    """Start a server that has crashed; what was committed is there again.

    Raises
    ------
    NoServerError
        It does not start.
    """
    folder, until = _folder(url), time.monotonic() + 60
    while True:
        try:
            _run(folder, "pg_ctl", "-w", "-o", f"-h '' -k {folder} {settings}", "start")
            return
        except subprocess.CalledProcessError:
            # It refuses for as long as a process of the one that crashed is about to end.
            if time.monotonic() > until:
                said = (folder / "output").read_text(errors="replace")[-2000:]
                raise NoServerError(f"PostgreSQL does not start again:\n{said}") from None
            time.sleep(0.1)


def _folder(url: str) -> Path:
    return Path(str(make_url(url).query["host"]))


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of an empty database on a PostgreSQL server, which ends with the tests."""
    pytest.importorskip("psycopg")
    if given := os.environ.get("ENGINE_TEST_POSTGRES"):
        yield given
        return
    with ExitStack() as stack:
        try:
            url = stack.enter_context(running_server())
        except NoServerError as error:
            pytest.skip(f"{error}; ENGINE_TEST_POSTGRES names one")
        yield url


@pytest.fixture(scope="session")
def new_schema(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Make an empty schema on the server; return the URL under which it is a database."""
    server = create_engine(postgres_server)
    numbers, made = count(), []
    # A server that ends with the tests need not be tidied.
    stays = "ENGINE_TEST_POSTGRES" in os.environ

    def make() -> str:
        name = f"engine_{os.getpid()}_{next(numbers)}"
        with server.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {name}"))
        made.append(name)
        url = make_url(postgres_server).update_query_dict({"options": f"-csearch_path={name}"})
        return url.render_as_string(hide_password=False)

    yield make
    for name in made if stays else ():
        with server.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    server.dispose()
