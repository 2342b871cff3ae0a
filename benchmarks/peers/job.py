"""What a tool is asked to do, and how it answers. Nothing here needs more than Python itself."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


class SkipError(Exception):
    """The tool cannot do this job; the message says why."""


@dataclass(frozen=True, slots=True)
class Job:
    """Pictures to embed.

    Attributes
    ----------
    folder, files
        The pictures: all that lie below `folder`, in order of path.
    warm_up_folder, warm_up
        A few other pictures, to be embedded first.
    work
        An empty folder for whatever the tool writes.
    features
        A `.npy` file for the embeddings, float32 `[n, dim]` in the order of `files`; None if
        nobody wants them.
    options
        What only this tool understands.
    """

    folder: str
    files: list[str]
    warm_up_folder: str
    warm_up: list[str]
    work: str
    features: str | None = None
    options: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Job:
        """Read what `write` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


class Peer(ABC):
    """A tool with its network loaded; making one is its setup.

    Parameters
    ----------
    job
        What it will be asked.
    """

    version = ""

    def __init__(self, job: Job) -> None:
        self.job = job

    def prepare(self, files: Sequence[str]) -> None:  # noqa: B027 (most have nothing to do)
        """Do what is not to be timed."""

    @abstractmethod
    def embed(self, folder: str, files: Sequence[str]) -> None:
        """Embed pictures, from files on disk to embeddings in memory. This is timed."""

    @abstractmethod
    def features(self, files: Sequence[str]) -> Any:
        """Return the embeddings made last, float32 `[n, dim]` in the order of `files`."""


def answer(make: Callable[[Job], Peer]) -> None:
    """Do the job named on the command line and print one line of JSON.

    The times of all tools are taken here and in the same way: `setup_seconds` is for importing,
    loading, and the few pictures of the warm-up, `seconds` for the pictures that count.
    """
    job = Job.read(Path(sys.argv[1]))
    with _stdout_for_answers() as say:
        try:
            say(_measured(make, job))
        except SkipError as reason:
            say({"skipped": str(reason)})
        except ModuleNotFoundError as error:
            say({"skipped": f"the package {error.name} is not installed"})


def _measured(make: Callable[[Job], Peer], job: Job) -> dict[str, Any]:
    started = time.perf_counter()
    peer = make(job)
    # Some load their network with the first picture, so the setup lasts until there are answers.
    peer.prepare(job.warm_up)
    peer.embed(job.warm_up_folder, job.warm_up)
    setup = time.perf_counter() - started
    peer.prepare(job.files)
    started = time.perf_counter()
    peer.embed(job.folder, job.files)
    seconds = time.perf_counter() - started
    if job.features is not None:
        import numpy as np

        np.save(job.features, np.asarray(peer.features(job.files), np.float32))
    return {
        "images": len(job.files),
        "seconds": seconds,
        "setup_seconds": setup,
        "peak_rss_mb": peak_rss_mb(),
        "version": peer.version,
    }


def peak_rss_mb() -> float:
    """Return the most memory this process has held, in MB; children are not counted."""
    try:
        # ru_maxrss outlives exec: a child would report the size of the parent it was forked from.
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


@contextmanager
def _stdout_for_answers() -> Iterator[Callable[[dict[str, Any]], None]]:
    """Send what libraries print, from C++ too, to stderr, so that stdout holds the answer alone."""
    sys.stdout.flush()
    real = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(real, "w", encoding="utf-8") as out:

        def say(facts: dict[str, Any]) -> None:
            out.write(json.dumps(facts) + "\n")
            out.flush()

        yield say
