"""Jobs as they go on, told as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from server.jobs.queue import JobQueue

MEDIA_TYPE = "text/event-stream"
# At most so often a listener is told; and how long nothing is told before a sign of life.
TELL_SECONDS, HEARTBEAT_SECONDS = 0.2, 15.0
HEARTBEAT = b": nothing new\n\n"


async def job_events(
    jobs: JobQueue, job_id: str | None = None, *, heartbeat: float = HEARTBEAT_SECONDS
) -> AsyncIterator[bytes]:
    """Yield what changes: first each job as it is, then each that has changed.

    Parameters
    ----------
    job_id
        Of this job alone, until it ends or is forgotten; without it of all, until the service ends.
    heartbeat
        Seconds after which a comment says that there is nothing new.
    """
    loop, changed, seen = asyncio.get_running_loop(), asyncio.Event(), -1
    leave = jobs.listen(lambda: loop.call_soon_threadsafe(changed.set))
    try:
        while True:
            # Before it is asked what has changed: the last state is told, too.
            last = jobs.is_closing or (job_id is not None and jobs.is_over(job_id))
            changed.clear()
            seen, found = jobs.changes(seen)
            for job in found:
                if job_id in (None, job.id):
                    yield f"event: job\ndata: {job.as_json(whole=False)}\n\n".encode()
            if last:
                return
            try:
                async with asyncio.timeout(heartbeat):
                    await changed.wait()
            except TimeoutError:
                yield HEARTBEAT
            else:
                await asyncio.sleep(TELL_SECONDS)
    finally:
        leave()
