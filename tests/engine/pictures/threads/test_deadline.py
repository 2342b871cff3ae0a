"""The deadline of an image: whoever waits for it goes on, and its thread when its decoder ends."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from engine.errors import ImageError
from engine.pictures.decode import decode
from engine.pictures.threads.deadline import Clock, Deadline, start_clock
from engine.pictures.threads.memory import ImageMemory, Reserve
from engine.pictures.threads.prefetch import prefetch
from tests.support.slow import Endless, slow_jpeg_of_pieces, until

pytestmark = pytest.mark.slow

SECONDS = 0.2
MakeEndless = Callable[..., tuple[ImageMemory, Endless]]


@pytest.fixture
def opener() -> Iterator[MakeEndless]:
    """Make what opens images, some of which are decoded for ever; all are let go in the end."""
    made: list[Endless] = []

    def make(*endless: int, most: int = 2) -> tuple[ImageMemory, Endless]:
        memory = ImageMemory(1000, Deadline(SECONDS, most))
        made.append(Endless(memory, *endless))
        return memory, made[-1]

    yield make
    for each in made:
        each.join()


def refused(results: list[int | Exception]) -> list[int | str]:
    """Return numbers as they are, and the names of images that were late."""
    names: list[int | str] = []
    for each in results:
        if isinstance(each, ImageError):
            assert each.reason == f"it took longer than {SECONDS} s to open"
            assert "--decode-seconds" in each.remedy
        names.append(f"late {each.thing}" if isinstance(each, ImageError) else int(str(each)))
    return names


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_an_image_that_is_late_is_refused_in_its_turn(opener: MakeEndless, workers: int) -> None:
    _, endless = opener(0, 3, 7, most=9)
    results = list(prefetch(endless, range(9), workers=workers, window=5))
    assert refused(results) == ["late 0", 1, 2, "late 3", 4, 5, 6, "late 7", 8]


def test_a_late_image_is_not_begun_again(opener: MakeEndless) -> None:
    _, endless = opener(1)
    list(prefetch(endless, range(4), workers=2, window=4))
    assert sorted(endless.begun) == [0, 1, 2, 3]


def test_a_late_thread_holds_its_memory_until_it_ends(opener: MakeEndless) -> None:
    memory, endless = opener(1)
    list(prefetch(endless, range(4), workers=2, window=4))
    assert (memory.reserved, memory.late) == (10, 1)
    endless.let_go()
    until(lambda: (memory.reserved, memory.late) == (0, 0))
    assert 1 in endless.ended


def test_late_threads_are_daemons_and_end_with_their_image(opener: MakeEndless) -> None:
    _, endless = opener(0)
    list(prefetch(endless, range(3), workers=1, window=2))
    late, *_ = endless.threads
    assert late.daemon
    assert [each for each in set(endless.threads) if each.is_alive()] == [late]
    endless.let_go()
    until(lambda: not late.is_alive())


def test_while_as_many_are_late_as_may_be_no_image_is_begun(opener: MakeEndless) -> None:
    memory, endless = opener(0, 1, 2, most=2)
    results: list[int | Exception] = []
    reader = threading.Thread(
        target=lambda: results.extend(prefetch(endless, range(8), workers=2, window=8))
    )
    reader.start()
    # The last had begun when only one was late.
    until(lambda: memory.late == 3)
    time.sleep(2 * SECONDS)
    assert sorted(endless.begun) == [0, 1, 2]
    endless.let_go(0)
    until(lambda: memory.late == 2)
    time.sleep(2 * SECONDS)
    assert sorted(endless.begun) == [0, 1, 2]
    endless.let_go()
    reader.join(30)
    assert refused(results) == ["late 0", "late 1", "late 2", 3, 4, 5, 6, 7]


def test_of_several_images_of_an_item_only_the_late_one_is_refused(opener: MakeEndless) -> None:
    _, endless = opener(2)
    pairs = [(0, 1), (2, 3), (4, 5)]
    opened = prefetch(lambda pair: [endless(each) for each in pair], pairs, workers=1, window=2)
    assert [refused(each) for each in opened] == [[0, 1], ["late 2", 3], [4, 5]]


def test_a_reader_that_stops_is_not_held_up_by_a_thread_at_work(opener: MakeEndless) -> None:
    memory, endless = opener(1, 2, most=9)
    results = prefetch(endless, range(9), workers=3, window=4)
    with closing(results):
        assert list(islice(results, 1)) == [0]
        until(lambda: {1, 2} <= {*endless.begun})
    assert memory.late == 2
    assert not {*endless.ended} & {1, 2}
    endless.let_go()
    until(lambda: memory.late == 0 == memory.reserved)


def test_to_wait_for_memory_and_to_read_do_not_count() -> None:
    memory = ImageMemory(100, Deadline(SECONDS))
    begun, go = threading.Event(), threading.Event()

    def hold(reserve: Reserve) -> str:
        reserve(100)
        begun.set()
        assert go.wait(30)
        return "read for long"

    def wait(reserve: Reserve) -> str:
        start_clock()
        assert begun.wait(30)
        reserve(50)
        return "waited for long"

    works = [hold, wait]
    opened = prefetch(lambda work: memory.turn(str(work), work), works, workers=2, window=2)
    threading.Timer(5 * SECONDS, go.set).start()
    assert list(opened) == ["read for long", "waited for long"]
    assert memory.late == 0


def test_a_clock_counts_from_its_start_and_stands_while_it_is_stopped() -> None:
    clock = Clock("a.jpg", Deadline(0.01))
    time.sleep(0.02)
    assert clock.seconds == 0
    clock.start()
    time.sleep(0.02)
    assert clock.hopeless
    with clock.stopped():
        before = clock.seconds
        time.sleep(0.02)
        assert clock.seconds == before >= 0.02
    time.sleep(0.001)
    assert clock.seconds > before


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "JPEG2000"])
def test_a_decoder_that_reads_piece_by_piece_gives_up_by_itself(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 65536, (1000, 1000), np.uint16)
    buffer = io.BytesIO()
    if kind != "JPEG":
        Image.fromarray(noise).save(buffer, kind)
    data = buffer.getvalue() or slow_jpeg_of_pieces()
    memory = ImageMemory(10**9, Deadline(0.001))

    def work(reserve: Reserve) -> int:
        return decode(data, "a.jpg", 10**8, reserve=reserve).width

    with pytest.raises(ImageError, match=r"it took longer than 0\.001 s to open"):
        memory.turn("a.jpg", work)
    assert (memory.late, memory.reserved) == (0, 0)


def test_what_is_decoded_outside_a_turn_has_no_deadline() -> None:
    memory = ImageMemory(10**9, Deadline(0.001))
    data = slow_jpeg_of_pieces(200)
    with pytest.raises(ImageError, match="it took longer"):
        memory.turn("a.jpg", lambda reserve: decode(data, "a.jpg", 10**8, reserve=reserve))
    assert decode(data, "a.jpg", 10**8).width == 200
