"""Fetching over HTTP, from a server on this machine that misbehaves on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import FetchError, ImageError, WeightsUnreachableError
from engine.pictures.download import Retries, fetch, fetch_bytes

BODY = bytes(range(256)) * 4000  # larger than one read
AT_ONCE = Retries(pause=0.0)


def silent(done: int, total: int | None) -> None:
    """Hear nothing."""


def ranges(site: Any) -> list[str | None]:
    return [asked for _, _, asked in site.asked]


def test_a_file_arrives_whole(site: Any, tmp_path: Path) -> None:
    fetch(site.serve("/file", BODY), tmp_path / "file", silent)
    assert (tmp_path / "file").read_bytes() == BODY
    assert ranges(site) == [None]


def test_progress_rises_to_the_total(site: Any, tmp_path: Path) -> None:
    heard: list[tuple[int, int | None]] = []
    fetch(site.serve("/f", BODY), tmp_path / "f", lambda *step: heard.append(step))
    done = [step[0] for step in heard]
    assert done == sorted(set(done))
    assert heard[-1] == (len(BODY), len(BODY))
    assert {total for _, total in heard} == {len(BODY)}


def test_without_a_length_progress_has_no_total(site: Any, tmp_path: Path) -> None:
    heard: list[tuple[int, int | None]] = []
    fetch(site.serve("/f", BODY, sized=False), tmp_path / "f", lambda *step: heard.append(step))
    assert heard[-1] == (len(BODY), None)
    assert (tmp_path / "f").read_bytes() == BODY


def test_a_broken_connection_is_resumed_where_it_broke(site: Any, tmp_path: Path) -> None:
    url = site.serve("/f", BODY, breaks_after=[300_000, 200_000])
    heard: list[tuple[int, int | None]] = []
    fetch(url, tmp_path / "f", lambda *step: heard.append(step), AT_ONCE)
    assert (tmp_path / "f").read_bytes() == BODY
    assert ranges(site) == [None, "bytes=300000-", "bytes=500000-"]
    assert heard[-1] == (len(BODY), len(BODY))


def test_a_server_without_ranges_is_asked_from_the_start(site: Any, tmp_path: Path) -> None:
    url = site.serve("/f", BODY, breaks_after=[300_000], ranges=False)
    fetch(url, tmp_path / "f", silent, AT_ONCE)
    assert (tmp_path / "f").read_bytes() == BODY
    assert len(site.asked) == 2


def test_bytes_of_an_earlier_run_are_kept(site: Any, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(BODY[:1000])
    fetch(site.serve("/f", BODY), tmp_path / "f", silent)
    assert (tmp_path / "f").read_bytes() == BODY
    assert ranges(site) == ["bytes=1000-"]


def test_more_bytes_than_the_server_has_are_thrown_away(site: Any, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(BODY + b"more")
    fetch(site.serve("/f", BODY), tmp_path / "f", silent, AT_ONCE)
    assert (tmp_path / "f").read_bytes() == BODY


def test_a_connection_that_always_breaks_is_given_up(site: Any, tmp_path: Path) -> None:
    url = site.serve("/f", BODY, breaks_after=[10] * 100)
    with pytest.raises(WeightsUnreachableError, match="the connection broke"):
        fetch(url, tmp_path / "f", silent, AT_ONCE)
    assert len(site.asked) == AT_ONCE.attempts


@pytest.mark.parametrize(("status", "attempts"), [(404, 1), (403, 1), (429, 4), (500, 4), (503, 4)])
def test_what_may_pass_is_tried_again_and_what_will_not_is_not(
    site: Any, tmp_path: Path, status: int, attempts: int
) -> None:
    url = site.serve("/f", BODY, status=status)
    with pytest.raises(WeightsUnreachableError, match=f"the server answered {status}"):
        fetch(url, tmp_path / "f", silent, AT_ONCE)
    assert len(site.asked) == attempts
    assert not (tmp_path / "f").exists()


def test_a_port_where_nobody_answers_is_unreachable(closed_port: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnreachableError) as caught:
        fetch(f"{closed_port}/f", tmp_path / "f", silent, AT_ONCE)
    assert "cannot be fetched" in caught.value.reason
    assert caught.value.thing == f"{closed_port}/f"


@pytest.mark.parametrize("url", ["nonsense", "gopher://host/file", "http://[bad/file"])
def test_an_address_that_is_none_is_unreachable(url: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnreachableError):
        fetch(url, tmp_path / "f", silent, AT_ONCE)


def test_an_image_is_fetched(site: Any) -> None:
    assert fetch_bytes(site.serve("/a.jpg", BODY), 10**7, 10) == BODY


def test_an_image_as_large_as_the_limit_is_fetched(site: Any) -> None:
    assert fetch_bytes(site.serve("/a.jpg", BODY), len(BODY), 10) == BODY


def test_an_image_larger_than_the_limit_is_refused(site: Any) -> None:
    url = site.serve("/a.jpg", BODY * 5)
    with pytest.raises(FetchError, match="larger than 2 MB"):
        fetch_bytes(url, 2_000_000, 10)


@pytest.mark.slow
def test_a_server_that_stops_in_the_middle_is_given_up(site: Any) -> None:
    url = site.serve("/a.jpg", BODY, drip=True)  # it would wait for 30 s
    with pytest.raises(FetchError, match="timed out"):
        fetch_bytes(url, 10**7, 0.3)


def test_a_server_that_takes_too_long_in_all_is_given_up(site: Any) -> None:
    clock = iter(range(0, 10_000, 6))
    with pytest.raises(FetchError, match="longer than 5 s"):
        fetch_bytes(site.serve("/a.jpg", BODY), 10**7, 5, lambda: next(clock))


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_refusal_is_told_with_its_number(site: Any, status: int) -> None:
    with pytest.raises(FetchError, match=f"the server answered {status}"):
        fetch_bytes(site.serve("/a.jpg", BODY, status=status), 10**7, 10)


@pytest.mark.parametrize("url", ["nonsense", "gopher://host/a.jpg", "http://", "http://[bad/a"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(FetchError) as caught:
        fetch_bytes(url, 10**7, 10)
    assert caught.value.thing == url
    assert "Check the address" in caught.value.remedy


def test_an_answer_that_is_not_http_is_refused(site: Any) -> None:
    with pytest.raises(FetchError, match="cannot be fetched"):
        fetch_bytes(site.serve("/a.jpg", raw=b"SSH-2.0-OpenSSH_9.6\r\n"), 10**7, 10)


def test_a_failed_fetch_counts_as_one_bad_image(closed_port: str) -> None:
    with pytest.raises(ImageError):
        fetch_bytes(f"{closed_port}/a.jpg", 10**7, 10)
