"""Work waits for a thread up to a bound, and nobody's is lost or done for nobody."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from server.responses.problems import RefusedError
from server.work_queue import WorkQueue

PATIENCE = 30.0


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), PATIENCE))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_work_returns_what_it_returns_or_raises() -> None:
    async def test() -> None:
        queue = WorkQueue("w", 2, 0)
        assert await queue.run(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await queue.run(lambda: 1 / 0)
        await until(lambda: queue.taken == 0)
        queue.close()

    run(test)


def test_what_is_too_much_is_refused_at_once_and_taken_again_later() -> None:
    async def test() -> None:
        queue, gate = WorkQueue("w", 1, 2, retry_seconds=3), threading.Event()
        begun = [asyncio.create_task(queue.run(gate.wait)) for _ in range(3)]
        await until(lambda: queue.taken == 3)
        with pytest.raises(RefusedError) as caught:
            await queue.run(gate.wait)
        assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "3"})
        gate.set()
        assert await asyncio.gather(*begun) == [True] * 3
        await until(lambda: queue.taken == 0)
        assert await queue.run(lambda: "again") == "again"
        queue.close()

    run(test)


def test_as_many_are_done_at_a_time_as_there_are_threads() -> None:
    async def test() -> None:
        queue, both = WorkQueue("w", 2, 5), threading.Barrier(2)
        await asyncio.gather(queue.run(both.wait), queue.run(both.wait))
        queue.close()

    run(test)


def test_nothing_is_done_for_a_client_that_has_gone() -> None:
    async def test() -> None:
        queue, gate, done = WorkQueue("w", 1, 5), threading.Event(), list[str]()
        first = asyncio.create_task(queue.run(gate.wait))
        await until(lambda: queue.taken == 1)
        gone = asyncio.create_task(queue.run(lambda: done.append("gone")))
        stays = asyncio.create_task(queue.run(lambda: done.append("stays")))
        await until(lambda: queue.taken == 3)
        gone.cancel()
        # It is cancelled when the loop comes to it.
        await asyncio.gather(gone, return_exceptions=True)
        gate.set()
        await asyncio.gather(first, stays)
        await until(lambda: queue.taken == 0)
        assert done == ["stays"]
        queue.close()

    run(test)


@pytest.mark.slow
def test_what_a_client_that_has_gone_sent_is_forgotten_at_once() -> None:
    class Body:
        """What it sent."""

    async def test() -> None:
        queue, gate = WorkQueue("w", 1, 5), threading.Event()

        def asked() -> tuple[asyncio.Task[str], weakref.ref[Body]]:
            body = Body()
            return asyncio.create_task(queue.run(lambda: repr(body))), weakref.ref(body)

        first = asyncio.create_task(queue.run(gate.wait))
        gone, sent = asked()
        await until(lambda: queue.taken == 2)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        del gone
        # The only thread is busy still.
        await until(lambda: queue.taken == 1)
        gc.collect()
        forgotten = sent() is None
        gate.set()
        await first
        queue.close()
        assert forgotten

    run(test)


def test_who_has_begun_counts_until_it_ends_though_its_client_has_gone() -> None:
    async def test() -> None:
        queue, gate, began = WorkQueue("w", 1, 0), threading.Event(), threading.Event()

        def work() -> None:
            began.set()
            gate.wait()

        task = asyncio.create_task(queue.run(work))
        await until(began.is_set)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert queue.taken == 1
        gate.set()
        await until(lambda: queue.taken == 0)
        queue.close()

    run(test)


def test_small_pieces_are_done_by_one_thread_after_the_other() -> None:
    async def test() -> None:
        queue = WorkQueue("w", 4, 200, patience=10.0)
        together, at_once = 0, set[int]()

        def small() -> int:
            nonlocal together
            together += 1
            at_once.add(together)
            time.sleep(0.0005)
            together -= 1
            return threading.get_ident()

        done = await asyncio.gather(*(queue.run(small) for _ in range(200)))
        assert len(done) == 200
        assert at_once == {1}
        queue.close()

    run(test)


def test_nothing_waits_long_for_pieces_that_take_long_while_there_are_threads() -> None:
    async def test() -> None:
        queue, gate = WorkQueue("w", 3, 200, patience=0.002), threading.Event()
        long = [asyncio.create_task(queue.run(gate.wait)) for _ in range(2)]
        small = [queue.run(lambda number=number: number) for number in range(100)]  # type: ignore[misc]
        assert await asyncio.gather(*small) == list(range(100))
        assert not any(each.done() for each in long)
        # Now all threads are taken, and what comes waits.
        long.append(asyncio.create_task(queue.run(gate.wait)))
        await asyncio.sleep(0.05)
        last = asyncio.create_task(queue.run(lambda: "last"))
        await asyncio.sleep(0.05)
        assert not last.done()
        gate.set()
        assert await asyncio.gather(*long, last) == [True, True, True, "last"]
        assert queue.taken == 0
        queue.close()

    run(test)


@pytest.mark.slow
def test_nothing_waits_for_what_takes_long_once_a_thread_has_stepped_aside() -> None:
    async def test() -> None:
        queue = WorkQueue("w", 2, 10, patience=0.5)
        gates, began = [threading.Event() for _ in range(3)], [threading.Event() for _ in range(3)]

        def work(number: int) -> bool:
            began[number].set()
            return gates[number].wait(PATIENCE)

        first = [asyncio.create_task(queue.run(lambda n=n: work(n))) for n in range(2)]  # type: ignore[misc]
        await until(lambda: began[0].is_set() and began[1].is_set())
        long = asyncio.create_task(queue.run(lambda: work(2)))
        small = asyncio.create_task(queue.run(lambda: "small"))
        await until(lambda: queue.taken == 4)
        gates[0].set()
        await until(began[2].is_set)
        # The other thread has just begun, and so this one leaves to it what waits.
        gates[1].set()
        assert await asyncio.wait_for(small, 10) == "small"
        gates[2].set()
        assert await asyncio.gather(*first, long) == [True] * 3
        queue.close()

    run(test)


def test_what_waits_is_done_however_it_comes() -> None:
    async def test() -> None:
        queue, draw = WorkQueue("w", 3, 1000, patience=0.001), random.Random(7)

        async def client(number: int) -> int:
            total = 0
            for _ in range(20):
                seconds = draw.choice([0.0, 0.0, 0.0005, 0.003])
                await asyncio.sleep(draw.choice([0.0, 0.001]))
                piece = asyncio.create_task(queue.run(lambda: time.sleep(seconds)))  # noqa: B023
                if draw.random() < 0.2:
                    await asyncio.sleep(draw.choice([0.0, 0.001]))
                    piece.cancel()
                    await asyncio.gather(piece, return_exceptions=True)
                else:
                    await piece
                    total += 1
            return total

        totals = await asyncio.gather(*(client(number) for number in range(30)))
        assert sum(totals) > 300
        await until(lambda: queue.taken == 0)
        queue.close()

    run(test)


def test_who_waits_when_it_ends_is_told() -> None:
    async def test() -> None:
        queue, gate, began = WorkQueue("w", 1, 5), threading.Event(), threading.Event()

        def work() -> bool:
            began.set()
            return gate.wait()

        first = asyncio.create_task(queue.run(work))
        waits = asyncio.create_task(queue.run(lambda: "never"))
        await until(lambda: queue.taken == 2 and began.is_set())
        assert not queue.close()
        with pytest.raises(asyncio.CancelledError):
            await waits
        gate.set()
        assert await first
        assert queue.close(PATIENCE)

    run(test)
