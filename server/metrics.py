"""What a service counts, in the text format of Prometheus."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from engine.progress import Reporter

if TYPE_CHECKING:
    from engine.session.figures import Figures
    from server.jobs.queue import JobQueue
    from server.work_queue import WorkQueue

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"}
SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class Metrics:
    """Requests by route and status, and how long they took; requests that are in work or wait.

    Parameters
    ----------
    queues
        Whose depth is told.
    jobs
        Of which it is told how many there are.
    shared
        A folder of the processes that serve one address: what they count is added up in files of
        its folder `metrics`, which `PROMETHEUS_MULTIPROC_DIR` named when this was imported.
    """

    def __init__(
        self, queues: Sequence[WorkQueue], jobs: JobQueue, shared: Path | None = None
    ) -> None:
        self._queues, self._jobs, self._shared = queues, jobs, shared
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter(
            "engine_requests", "Requests answered.", labels, registry=self._registry
        )
        self._seconds = Histogram(
            "engine_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._depth = Gauge(
            "engine_queue_depth",
            "Requests in work or waiting.",
            ("queue",),
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._stages = Histogram(
            "engine_stage_seconds",
            "Of a picture's decoding, pictures' embedding, a search in the index, rows by SQL.",
            ("stage",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._note_depth()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        # Clients may make up methods, of which each would be remembered.
        method = method if method in METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        if self._shared is not None:
            # Others are asked for it.
            self._note_depth()

    def took(self, stage: str, seconds: float) -> None:
        """Count a stage of a question."""
        self._stages.labels(stage).observe(seconds)

    def text(self, figures: Figures | None) -> bytes:
        """Return all that was counted.

        Parameters
        ----------
        figures
            Of the store; None where they cannot be had.
        """
        self._note_depth()
        registry = self._registry
        if self._shared is not None:
            registry = CollectorRegistry()
            path = str(self._shared / "metrics")
            MultiProcessCollector(registry, path)  # type: ignore[no-untyped-call]
        store = CollectorRegistry()
        store.register(_Store(figures, self._jobs))
        return generate_latest(store) + generate_latest(registry)

    def _note_depth(self) -> None:
        for queue in self._queues:
            self._depth.labels(queue.name).set(queue.taken)


class Measuring(Reporter):
    """Hears how long stages take, and passes all else on.

    Parameters
    ----------
    metrics
        What counts.
    reporter
        Who hears the rest.
    """

    def __init__(self, metrics: Metrics, reporter: Reporter) -> None:
        self._metrics = metrics
        self._reporter = reporter

    def announce(self, text: str) -> None:
        """Pass it on."""
        self._reporter.announce(text)

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Pass it on."""
        self._reporter.progress(task, done, total, unit)

    def took(self, stage: str, seconds: float) -> None:
        """Count it."""
        self._metrics.took(stage, seconds)


class _Store(Collector):
    """Says what is so of the store, whichever process is asked."""

    def __init__(self, figures: Figures | None, jobs: JobQueue) -> None:
        self._figures = figures
        self._jobs = jobs

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return how many images there are, and how many jobs of each kind in each state."""
        figures = self._figures
        lag = None if figures is None else figures.not_in_index
        yield GaugeMetricFamily(
            "engine_images",
            "Images of the catalog.",
            value=math.nan if figures is None else figures.images,
        )
        yield GaugeMetricFamily(
            "engine_index_lag",
            "Images that the next search has to put into the index first; NaN until it is open.",
            value=math.nan if lag is None else lag,
        )
        found = GaugeMetricFamily("engine_jobs", "Jobs remembered.", labels=("kind", "state"))
        for labels, count in sorted(self._jobs.counts().items()):
            found.add_metric(labels, count)
        yield found
