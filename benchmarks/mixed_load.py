"""Everything at once for minutes: searches, labels, uploads, jobs, and a kill in the middle.

    python -m benchmarks.mixed_load [--data FOLDER] [--minutes 10] [--clients 8]

A real `engine serve` on a copy of photographs. Halfway it is killed (SIGKILL) and started again
while its clients go on asking. It ends with 1 where a status other than 2xx, 409, 429 and 503 came,
where the memory grew by more than a tenth after the warm-up, where `engine status` finds something
out of order, or where something that was answered with 2xx is not there.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from typing import Any

from benchmarks.mixed.clients import Address, Client, ask
from benchmarks.mixed.ledger import GROWTH, Ledger, Memory
from benchmarks.settings import REPOSITORY, find_data

BACKBONE = "efficientnet_lite0"
ENGINE = [sys.executable, "-m", "cli.main"]
PATIENCE = 120.0
# Of half of the run, what a process takes until its memory stands.
WARM_UP = 0.3


class Scene:
    """A service on a copy of photographs.

    Parameters
    ----------
    folder
        Where the copy, the store and pictures that are sent are.
    photos
        A folder with folders of photographs.
    """

    def __init__(self, folder: Path, photos: Path) -> None:
        self.store, self.sent, self.pictures = (folder / n for n in ("store", "sent", "pictures"))
        self.sent.mkdir()
        shutil.copytree(photos, self.pictures)
        # By the first clients find it, when it is warm.
        self.address, self.inside, self.ledger = Address(), Address(), Ledger()
        self._process: subprocess.Popen[bytes] | None = None
        self.engine("index", self.pictures, "--label", "parent")

    def engine(self, *arguments: str | Path) -> Any:
        """Return what a command prints as JSON."""
        command = [*ENGINE, *arguments, "--store", self.store, "--json"]
        done = subprocess.run(command, cwd=REPOSITORY, env=_variables(), capture_output=True)
        if not done.stdout:
            raise RuntimeError(done.stderr.decode(errors="replace"))
        return json.loads(done.stdout)

    def start(self) -> int:
        """Start the service; return its process's id."""
        command = [*ENGINE, "serve", "--port", "0", "--store", self.store, "--folder", self.sent]
        self._process = subprocess.Popen(
            command, cwd=REPOSITORY, env=_variables(), stderr=subprocess.PIPE
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(rb"http://[^:]+:(\d+)", line):
                self.inside.port = int(found[1])
                break
        else:
            raise RuntimeError("it never listened")
        # What it says later is passed on, and waits in no pipe.
        Thread(target=shutil.copyfileobj, args=(self._process.stderr, sys.stderr.buffer)).start()
        self.inside.starts += 1
        self.inside.there.set()
        return self._process.pid

    def open(self) -> None:
        """Let all clients in."""
        self.address.port, self.address.starts = self.inside.port, self.inside.starts
        self.address.there.set()

    def end(self, by: signal.Signals) -> int:
        """End the service by a signal; return its exit code."""
        assert self._process is not None
        self.address.there.clear()
        self.inside.there.clear()
        self._process.send_signal(by)
        return self._process.wait(PATIENCE)

    def get(self, path: str) -> Any:
        """Return what the service answers."""
        return ask(self.inside, self.ledger, "GET", path).value

    def images(self) -> list[dict[str, Any]]:
        """Return all images of the catalog."""
        found: list[dict[str, Any]] = []
        cursor: int | None = 0
        while cursor is not None:
            page = self.get(f"/v1/images?limit=1000&cursor={cursor}")
            found += page["images"]
            cursor = page["cursor"]
        return found

    def wait_for_jobs(self) -> None:
        """Wait until no job runs or waits."""
        while any(job["state"] in ("running", "waiting") for job in self.get("/v1/jobs")["jobs"]):
            time.sleep(0.5)


def loaded(
    scene: Scene, first: Client, clients: Sequence[Client], seconds: float
) -> tuple[list[Memory], list[str]]:
    """Ask for so long, with a kill in the middle; return the memory, and what was lost by it.

    Parameters
    ----------
    first
        Asks for everything once before the others are let in, so that all of the service is warm.
    """
    memories, over = [], Event()
    with ThreadPoolExecutor(len(clients)) as pool:
        try:
            pid = scene.start()
            warm(scene, first)
            running = [pool.submit(client.run, over) for client in clients]
            memories.append(watched(pid, seconds / 2))
            with scene.ledger.lock:
                last = scene.ledger.jobs[-1:]
            scene.end(signal.SIGKILL)
            pid = scene.start()
            known = {job["id"] for job in scene.get("/v1/jobs")["jobs"]}
            _say("it was killed, and has started again")
            warm(scene, first)
            memories.append(watched(pid, seconds / 2))
        finally:
            over.set()
        for each in running:
            each.result()
    return memories, [f"job {each} is not known any more" for each in {*last} - known]


def warm(scene: Scene, first: Client) -> None:
    """Ask for everything once, and let the other clients in."""
    first.each_once()
    scene.wait_for_jobs()
    first.follow()
    scene.open()


def watched(pid: int, seconds: float) -> Memory:
    """Wait for so long; return the memory after the first part of it."""
    time.sleep(WARM_UP * seconds)
    memory = Memory(pid)
    time.sleep((1 - WARM_UP) * seconds)
    memory.stop()
    return memory


def kept(scene: Scene) -> list[str]:
    """Return what was answered with 2xx and is not there."""
    for job in scene.get("/v1/jobs")["jobs"]:
        if job["state"] in ("running", "waiting"):
            path = f"/v1/jobs/{job['id']}"
            ask(scene.inside, scene.ledger, "DELETE", path, route="/v1/jobs/{id}")
    scene.wait_for_jobs()
    # What was sent is a file by now, whatever has become of its job.
    ask(scene.inside, scene.ledger, "POST", "/v1/index", b"{}")
    scene.wait_for_jobs()
    ledger, images = scene.ledger, scene.images()
    labels = {image["id"]: image["label"] for image in images}
    hashes = {image["content_hash"] for image in images}
    paths = {image["path"] for image in images}
    heads = {head["name"] for head in scene.get("/v1/heads")}
    lost = [
        f"image {image_id} is labelled {labels.get(image_id)}, not {' or '.join(sorted(wanted))}"
        for image_id, wanted in ledger.labels.items()
        if labels.get(image_id) not in wanted
    ]
    lost += [f"{path} was forgotten, and is there" for path in ledger.deleted & paths]
    lost += [f"a picture that was sent is not there: {each}" for each in ledger.sent - hashes]
    lost += [f"{name} is not there" for name in ledger.heads - heads]
    for category, ids in ledger.judged.items():
        path = f"/v1/judgements?category={category.replace(' ', '%20')}"
        gone = ids - set(scene.get(path)["yes"])
        lost += [f"the judgement of image {each} is not there" for each in gone]
    return lost


def measured(folder: Path, data: Path, seconds: float, count: int) -> list[str]:
    """Run it, print what was seen, and return what is wrong."""
    scene = Scene(folder, data / "catalog")
    photos = [path.read_bytes() for path in sorted((data / "imagenet300").rglob("*.*"))[:100]]
    scene.start()
    images = [(image["id"], image["path"]) for image in scene.images()]
    judges = "/v1/judgements" in scene.get("/openapi.json")["paths"]
    scene.end(signal.SIGTERM)
    # Each changes images of its own, the one that comes first, too.
    first, *clients = (
        Client(number, address, scene.ledger, images[number :: count + 1], photos, judges=judges)
        for number, address in enumerate([scene.inside, *[scene.address] * count])
    )
    _say(f"{len(images)} images are indexed; {count} clients ask for {seconds:.0f} s")
    memories, wrong = loaded(scene, first, clients, seconds)
    _say("they have asked; what they were answered is looked for")
    wrong += kept(scene)
    code = scene.end(signal.SIGINT)
    wrong += [f"it ended with {code}"] if code else []
    wrong += scene.ledger.problems()
    status = scene.engine("status")
    wrong += status["problems"]
    print(scene.ledger.table())
    for name, memory in zip(("the first", "the second"), memories, strict=True):
        print(memory.line(name))
        if memory.growth > GROWTH:
            wrong.append(f"the memory of {name} process grew by {memory.growth:.0%}")
    ledger = scene.ledger
    print(
        f"{len(ledger.labels)} images labelled, {len(ledger.deleted)} forgotten, "
        f"{len(ledger.sent)} sent, {len(ledger.heads)} heads, "
        f"{sum(map(len, ledger.judged.values()))} judgements, {len(ledger.jobs)} jobs; "
        f"{status['images']} images, in order: {status['consistent']}"
    )
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was answered and what is wrong; return 1 where something is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mixed_load", description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=8)
    given = parser.parse_args(arguments)
    data = find_data(given.data)
    if data is None:
        print("needs photographs; benchmarks/README.md says which", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="mixed-") as folder:
        wrong = measured(Path(folder), data, 60 * given.minutes, given.clients)
    for each in wrong:
        print(f"wrong: {each}")
    print("all is well" if not wrong else f"{len(wrong)} things are wrong")
    return 1 if wrong else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _variables() -> dict[str, str]:
    return {**os.environ, "ENGINE_BACKBONE": BACKBONE, "PYTHONUNBUFFERED": "1"}


if __name__ == "__main__":
    sys.exit(main())
