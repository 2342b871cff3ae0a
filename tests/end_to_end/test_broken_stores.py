"""Damaged files, a full disk, a store that is read-only or busy: said clearly, nothing lost."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import Engine
from tests.support import REPOSITORY
from tests.support.indexes import delta_in

Run = Callable[..., subprocess.CompletedProcess[bytes]]
HOLDER = """
import sys
from pathlib import Path
from typing import Any
from index.files.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
WRITERS = (
    "index P --store S",
    "remove P/bed --store S",
    "train P --head other --store S",
    "heads delete furniture --store S",
)


def _words(line: str, store: Path, drawn: Path) -> list[str]:
    places = {"P": str(drawn), "S": str(store)}
    return ["/".join([places.get(part, part) for part in word.split("/")]) for word in line.split()]


def _line(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the one line that a failed command said."""
    assert (done.returncode, done.stdout) == (1, b""), done.stderr
    [said] = done.stderr.decode().splitlines()
    assert said.startswith("error: ")
    return said


def _garbage(data: bytes) -> bytes:
    return os.urandom(len(data))


def _cut_off(data: bytes) -> bytes:
    return data[: len(data) // 2 + 1000]


def _other_header(data: bytes) -> bytes:
    return b"something else!!" + data[16:]


@pytest.mark.parametrize("damage", [_garbage, _cut_off, _other_header])
@pytest.mark.parametrize(
    "line", ["index P --store S", "search P/bed/bed-0001.jpg --store S", "status --store S"]
)
def test_a_damaged_catalog_is_said_to_be_damaged_and_left_as_it_is(
    line: str, damage: Callable[[bytes], bytes], shop: Path, drawn: Path, quick: Run
) -> None:
    catalog = shop / "catalog.sqlite"
    damaged = damage(catalog.read_bytes())
    catalog.write_bytes(damaged)
    assert "the catalog is damaged" in _line(quick(*_words(line, shop, drawn)))
    assert catalog.read_bytes() == damaged


@pytest.mark.parametrize("damage", [_garbage, _cut_off, lambda data: b""])
def test_a_damaged_index_costs_nothing_but_a_moment_and_a_line(
    damage: Callable[[bytes], bytes], shop: Path, drawn: Path, quick: Run
) -> None:
    index = delta_in(shop / "index")
    whole = index.read_bytes()
    index.write_bytes(damage(whole))
    line = _words("search P/bed/bed-0001.jpg -k 60 --paths --store S", shop, drawn)
    done = quick(*line)
    told = b"the index was damaged, and was built anew from the catalog\n"
    assert (done.returncode, done.stderr) == (0, told)
    assert len(done.stdout.splitlines()) == 60
    status = json.loads(quick("status", "--store", shop, "--json").stdout)
    assert status["index_state"] == "current", "it was built anew from the catalog"


@pytest.fixture
def holder(shop: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that is writing to the store."""
    command = [sys.executable, "-c", HOLDER, str(shop)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that do not wait seconds for another writer to end."""
    patient = Engine.open

    def opened(*arguments: Any, **settings: Any) -> Engine:
        engine = patient(*arguments, **settings)
        engine._session.patience_seconds = 0.05
        return engine

    monkeypatch.setattr(Engine, "open", opened)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("line", WRITERS)
def test_a_second_writer_is_told_who_the_first_is(
    line: str, shop: Path, drawn: Path, quick: Run, holder: subprocess.Popen[str]
) -> None:
    before = (shop / "catalog.sqlite").read_bytes()
    said = _line(quick(*_words(line, shop, drawn)))
    assert f"another process is writing (process {holder.pid} on " in said
    assert (shop / "catalog.sqlite").read_bytes() == before


def test_readers_do_not_wait_for_a_writer(
    shop: Path, drawn: Path, quick: Run, holder: subprocess.Popen[str]
) -> None:
    done = quick(*_words("search P/bed/bed-0001.jpg --store S --json", shop, drawn))
    assert (done.returncode, done.stderr) == (0, b"")
    status = json.loads(quick("status", "--store", shop, "--json").stdout)
    assert status["writer"].startswith(f"process {holder.pid} ")


@pytest.fixture
def read_only(shop: Path) -> Iterator[Path]:
    """A store that may only be read."""
    files = [*shop.rglob("*"), shop]
    for path in files:
        path.chmod(0o555)
    yield shop
    for path in files:
        path.chmod(0o755)


@pytest.mark.parametrize("line", WRITERS)
def test_a_read_only_store_is_not_written(
    line: str, read_only: Path, drawn: Path, engine: Run, powerless: Callable[[], None]
) -> None:
    before = (read_only / "catalog.sqlite").read_bytes()
    said = _line(engine(*_words(line, read_only, drawn), preexec_fn=powerless))
    assert "cannot be written" in said
    assert (read_only / "catalog.sqlite").read_bytes() == before


@pytest.mark.parametrize("line", ["search P/bed/bed-0001.jpg --store S --json", "status --store S"])
def test_a_read_only_store_can_be_read(
    line: str, read_only: Path, drawn: Path, engine: Run, powerless: Callable[[], None]
) -> None:
    done = engine(*_words(line, read_only, drawn), preexec_fn=powerless)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.fixture
def very_many(many: Path, tmp_path: Path) -> Path:
    """Three times `many`: more than a write-ahead log as large as the catalog can hold."""
    folder = tmp_path / "very many"
    folder.mkdir()
    for path in many.iterdir():
        for copy in range(3):
            (folder / f"{copy}-{path.name}").write_bytes(path.read_bytes() + bytes([copy]))
    return folder


@pytest.mark.parametrize("room", [0, 20_000], ids=["no room", "little room"])
def test_where_files_can_grow_no_more_the_rest_is_kept(
    room: int, shop: Path, very_many: Path, engine: Run, quick: Run
) -> None:
    """A limit on the size of files stands for a disk that is full."""
    largest = max(path.stat().st_size for path in shop.iterdir()) + room

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    before = json.loads(quick("status", "--store", shop, "--json").stdout)
    said = _line(engine("index", very_many, "--store", shop, preexec_fn=limit))
    assert "the disk would not take it" in said
    after = json.loads(quick("status", "--store", shop, "--json").stdout)
    assert after["consistent"]
    assert after["images"] == after["embeddings"] >= before["images"]
    assert quick("index", very_many, "--store", shop).returncode == 0


FULL_DISK = """
mount -t tmpfs -o size={size}k none {place} || exit 99
cp -r {store} {place}/store
"$@" index {images} --store {place}/store
echo "code $?"
"$@" status --store {place}/store --json
"""


def test_a_disk_that_is_really_full_is_said_to_be_full(
    shop: Path, many: Path, tmp_path: Path, ready: Path
) -> None:
    if not shutil.which("unshare"):
        pytest.skip("there is no command unshare here")
    size = sum(path.stat().st_size for path in shop.iterdir()) // 1024 + 200
    (tmp_path / "disk").mkdir()
    script = FULL_DISK.format(size=size, place=tmp_path / "disk", store=shop, images=many)
    command = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-m", "cli.main"]
    done = subprocess.run(command, capture_output=True, timeout=120, cwd=REPOSITORY)
    if done.returncode == 99 or b"unshare" in done.stderr:
        pytest.skip("no disk can be mounted here")
    code, _, status = done.stdout.decode().partition("\n")
    assert code == "code 1"
    [said] = done.stderr.decode().splitlines()
    assert "the disk would not take it" in said
    assert json.loads(status)["consistent"]


def test_a_store_that_was_unpacked_cannot_have_a_file_written_over(
    shop: Path, drawn: Path, tmp_path: Path, engine: Run
) -> None:
    work = tmp_path / "unpacked"
    work.mkdir()
    store = shop.rename(work / ".engine")
    (store / "index" / "manifest.json").unlink()  # the search will want to write
    letter = tmp_path / "letter.txt"
    letter.write_bytes(b"precious" * 1000)
    for name in ("writer.json", "writer.lock"):
        (store / name).unlink(missing_ok=True)
        (store / name).symlink_to(letter)
        asked = ("search", drawn / "bed" / "bed-0001.jpg", "--paths", "-k", "1")
        done = engine(*asked, cwd=work)
        assert (done.returncode, done.stdout.decode().strip()) == (0, str(asked[1])), done.stderr
        assert letter.read_bytes() == b"precious" * 1000
    (store / "catalog.sqlite").rename(tmp_path / "another.sqlite")
    (store / "catalog.sqlite").symlink_to(tmp_path / "another.sqlite")
    done = engine(*asked, cwd=work)
    assert done.returncode == 1
    assert b"a link (to " in done.stderr
