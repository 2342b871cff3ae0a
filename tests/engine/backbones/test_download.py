"""Fetching over HTTP, from a server on this machine that misbehaves on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.backbones.download import Retries, fetch
from engine.errors import WeightsUnreachableError

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


@pytest.mark.parametrize("before", [b"HTTP/1.1 404 ", b"HTTP/1.1 ", b""])
def test_what_a_server_says_is_told_as_far_as_anybody_reads(
    site: Any, tmp_path: Path, before: bytes
) -> None:
    url = site.serve("/f", raw=before + b"a" * 60_000 + b"\r\n\r\n")
    with pytest.raises(WeightsUnreachableError) as caught:
        fetch(url, tmp_path / "f", silent, AT_ONCE)
    assert len(caught.value.reason) < 400


def test_a_port_where_nobody_answers_is_unreachable(closed_port: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnreachableError) as caught:
        fetch(f"{closed_port}/f", tmp_path / "f", silent, AT_ONCE)
    assert "cannot be fetched" in caught.value.reason
    assert caught.value.thing == f"{closed_port}/f"


@pytest.mark.parametrize("url", ["nonsense", "gopher://host/file", "http://[bad/file"])
def test_an_address_that_is_none_is_unreachable(url: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnreachableError):
        fetch(url, tmp_path / "f", silent, AT_ONCE)


@pytest.mark.parametrize("location", ["ftp://127.0.0.1:9/f", "file:///etc/passwd"])
def test_a_redirect_leads_nowhere_but_to_the_web(site: Any, tmp_path: Path, location: str) -> None:
    def leads_on(request: Any) -> None:
        request.send_response(302)
        request.send_header("Location", location)
        request.end_headers()

    with pytest.raises(WeightsUnreachableError):
        fetch(site.serve("/f", answer=leads_on), tmp_path / "f", silent, AT_ONCE)
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize("scheme", ["file", "ftp"])
def test_weights_come_from_the_web_alone(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "here").write_bytes(BODY)
    with pytest.raises(WeightsUnreachableError):
        fetch(f"{scheme}://{tmp_path}/here", tmp_path / "f", silent, AT_ONCE)
