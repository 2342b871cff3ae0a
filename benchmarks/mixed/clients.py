"""Clients of a service that is killed and started again: each asks for something else each time."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from benchmarks.mixed.ledger import Ledger

PATIENCE = 120.0
# What a service takes until it is warm.
STARTING = 600.0
JPEG, JSON = "image/jpeg", "application/json"
# Of a client's images one in so many is forgotten some time; the others stay.
FORGOTTEN = 5
# Statuses of what may be asked for again.
LATER = (409, 429, 503)


@dataclass
class Address:
    """Where the service is, while it is there.

    Attributes
    ----------
    port
        Of the process that runs now.
    there
        Set while one runs.
    starts
        How many have been started: a request that got no answer was cut off where it has changed.
    """

    port: int = 0
    there: Event = field(default_factory=Event)
    starts: int = 0


@dataclass
class Answer:
    """What came back; `status` 0 where the service was killed meanwhile."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 300

    @property
    def value(self) -> Any:
        """The object that it is."""
        return json.loads(self.body)


def ask(
    address: Address,
    ledger: Ledger,
    method: str,
    path: str,
    body: bytes | None = None,
    kind: str = JSON,
    *,
    route: str | None = None,
) -> Answer:
    """Ask for something, and count what is answered under a route."""
    route = f"{method} {route or path.partition('?')[0]}"
    address.there.wait(STARTING)
    starts = address.starts
    connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, {"Content-Type": kind} if body is not None else {})
        answer = connection.getresponse()
        found = Answer(answer.status, answer.read())
    except (OSError, http.client.HTTPException) as error:
        with ledger.lock:
            if address.starts != starts or not address.there.is_set():
                ledger.lost[route] += 1
            else:
                ledger.broken.append(f"{route}: {type(error).__name__}: {error}")
        return Answer(0, b"")
    finally:
        connection.close()
    ledger.answered(route, found.status, found.body)
    return found


class Client:
    """One client, with images of its own to label and to forget.

    Parameters
    ----------
    number
        Which one it is.
    images
        Ids and paths of the images that it alone changes.
    photos
        Contents of pictures to ask about, and to send.
    """

    def __init__(
        self,
        number: int,
        address: Address,
        ledger: Ledger,
        images: Sequence[tuple[int, str]],
        photos: Sequence[bytes],
        *,
        judges: bool,
    ) -> None:
        self._random = random.Random(number)
        self._number, self._address, self._ledger = number, address, ledger
        self._leaving = list(images[::FORGOTTEN])
        leaving = set(self._leaving)
        self._images = [each for each in images if each not in leaving]
        self._photos = photos
        self._sent = 0
        self._heads: dict[str, str] = {}
        self._actions: list[tuple[float, Callable[[], object]]] = [
            (30, self._search),
            (20, self._search_by_id),
            (10, self._classify),
            (8, self._look_around),
            (15, self._label),
            (3, self._forget),
            (2, self._send),
            (0.5, self._index),
            (0.3, self._train),
            (0.5, self._find_duplicates),
            (0.2, self._map),
            (3, self.follow),
        ]
        if judges:
            self._actions += [(5, self._judge), (5, self._teach)]

    def run(self, over: Event) -> None:
        """Ask one thing after the other until it is over."""
        weights = [weight for weight, _ in self._actions]
        while not over.is_set():
            _, action = self._random.choices(self._actions, weights)[0]
            found = action()
            if isinstance(found, Answer) and found.status in LATER:
                time.sleep(self._random.uniform(0.1, 0.5))

    def each_once(self) -> None:
        """Have everything done once, so that all of the service is warm."""
        end = time.monotonic() + STARTING
        for _, action in self._actions:
            while isinstance(found := action(), Answer) and found.status in LATER:
                if time.monotonic() > end:
                    raise RuntimeError(f"it is never warm: {found.body.decode(errors='replace')}")
                time.sleep(0.5)

    def _ask(self, method: str, path: str, body: object = None, route: str | None = None) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        return ask(self._address, self._ledger, method, path, data, route=route)

    def _post(self, path: str, photo: bytes) -> Answer:
        return ask(self._address, self._ledger, "POST", path, photo, JPEG)

    def _search(self) -> Answer:
        return self._post("/v1/search?k=10", self._random.choice(self._photos))

    def _search_by_id(self) -> Answer:
        return self._ask("POST", "/v1/search", {"ids": [self._random.choice(self._images)[0]]})

    def _classify(self) -> Answer:
        return self._post("/v1/classify", self._random.choice(self._photos))

    def _look_around(self) -> None:
        image_id, _ = self._random.choice(self._images)
        self._ask("GET", f"/v1/images/{image_id}", route="/v1/images/{id}")
        path = f"/v1/images/{image_id}/thumbnail"
        self._ask("GET", path, route="/v1/images/{id}/thumbnail")
        for path in ("/v1/images?limit=50", "/v1/heads", "/v1/categories", "/metrics"):
            self._ask("GET", path)

    def _label(self) -> Answer:
        image_id, _ = self._random.choice(self._images)
        label = f"label {self._random.randrange(4)}"
        body = {"label": label}
        answer = self._ask("PATCH", f"/v1/images/{image_id}", body, "/v1/images/{id}")
        with self._ledger.lock:
            if answer.ok:
                self._ledger.labels[image_id] = {label}
            elif not answer.status and image_id in self._ledger.labels:
                self._ledger.labels[image_id].add(label)
        return answer

    def _forget(self) -> Answer | None:
        if not self._leaving:
            return None
        image_id, path = self._leaving[-1]
        # Or the next index would take it up again.
        Path(path).unlink(missing_ok=True)
        answer = self._ask("DELETE", f"/v1/images/{image_id}", route="/v1/images/{id}")
        if answer.ok or not answer.status:
            # Where the answer was cut off, the file is gone, and it may be forgotten or missing.
            self._leaving.pop()
        if answer.ok:
            with self._ledger.lock:
                self._ledger.deleted.add(path)
        return answer

    def _send(self) -> Answer:
        self._sent += 1
        mark = f"{self._number} {self._sent}".encode()
        photo = self._random.choice(self._photos) + mark
        answer = self._post("/v1/images", photo)
        if self._took(answer):
            with self._ledger.lock:
                self._ledger.sent.add(hashlib.sha256(photo).hexdigest())
        return answer

    def _index(self) -> Answer:
        answer = self._ask("POST", "/v1/index", {})
        self._took(answer)
        return answer

    def _train(self) -> Answer:
        name = f"head {self._number}"
        answer = self._ask("POST", "/v1/heads", {"name": name, "fast": True})
        if self._took(answer):
            self._heads[answer.value["id"]] = name
        return answer

    def _find_duplicates(self) -> Answer:
        answer = self._ask("POST", "/v1/jobs", {"kind": "duplicates", "level": "exact"})
        self._took(answer)
        return answer

    def _map(self) -> Answer:
        self._ask("GET", "/v1/map?method=pca")
        answer = self._ask("POST", "/v1/jobs", {"kind": "map"})
        self._took(answer)
        return answer

    def _took(self, answer: Answer) -> bool:
        if answer.ok:
            with self._ledger.lock:
                self._ledger.jobs.append(answer.value["id"])
        return answer.ok

    def follow(self) -> None:
        """See what has become of trainings; the second client cancels a job now and then."""
        answer = self._ask("GET", "/v1/jobs")
        if not answer.ok:
            return
        jobs = answer.value["jobs"]
        done = {self._heads.get(job["id"], "") for job in jobs if job["state"] == "done"} - {""}
        with self._ledger.lock:
            self._ledger.heads |= done
        going = [job["id"] for job in jobs if job["state"] in ("running", "waiting")]
        if going and self._number == 1 and self._random.random() < 0.3:
            self._ask("DELETE", f"/v1/jobs/{going[-1]}", route="/v1/jobs/{id}")

    def _judge(self) -> Answer:
        category = f"kind {self._number}"
        ids = [each for each, _ in self._random.sample(self._images, 3)]
        body = {"category": category, "yes": ids, "no": []}
        answer = self._ask("PUT", "/v1/judgements", body)
        if answer.ok:
            with self._ledger.lock:
                self._ledger.judged[category] |= set(ids)
        return answer

    def _teach(self) -> Answer:
        ids = [each for each, _ in self._random.sample(self._images, 6)]
        body = {"category": "kind", "yes": ids[:3], "no": ids[3:]}
        return self._ask("POST", "/v1/teach", body)
