"""Which addresses are fetched from, and that it is the address connected to that counts."""

from __future__ import annotations

import pytest

from engine.config import UrlLimits
from engine.errors import FetchError
from engine.pictures.urls.addresses import Found, internal_address, look_up
from engine.pictures.urls.fetch import fetch_bytes
from tests.support.hostile_web import OK, HostileServer

PUBLIC_ONLY = UrlLimits(internal=False, seconds=5)


def nobody(text: str) -> None:
    """Hear nothing."""


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.0.1", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1"),
        *("192.0.0.8", "192.0.0.9", "192.88.99.1", "::ffff:192.88.99.1", "64:ff9b::c058:6301"),
        *("fec0::1", "3fff::1", "5f00::1", "100::1", "100:0:0:1::1", "2001:2::1", "2001:20::1"),
    ],
)
def test_addresses_of_internal_networks_are_known(address: str) -> None:
    assert internal_address(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_addresses_of_the_internet_are_not(address: str) -> None:
    assert not internal_address(address)


# Ways to write 127.0.0.1 that a look at the text would miss.
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1"])
def test_an_internal_address_is_refused_however_it_is_written(
    hostile: HostileServer, host: str
) -> None:
    with pytest.raises(FetchError) as caught:
        fetch_bytes(f"http://{host}:{hostile.port}/a.jpg", PUBLIC_ONLY, nobody)
    assert "of this machine or of an internal network" in caught.value.reason
    assert not hostile.requests


def test_a_stranger_does_not_learn_what_this_machine_resolves() -> None:
    def corporate(host: str, port: int, seconds: float) -> list[Found]:
        return look_up("10.1.2.3", port, seconds)

    with pytest.raises(FetchError, match=r"db\.corp\.internal is of this machine") as caught:
        fetch_bytes("http://db.corp.internal/", PUBLIC_ONLY, nobody, look_up=corporate)
    assert "10.1.2.3" not in str(caught.value)


def test_a_redirect_to_an_internal_address_is_refused(hostile: HostileServer) -> None:
    asked: list[str] = []

    def public_first(host: str, port: int, seconds: float) -> list[Found]:
        """Let the first host be a public one, as far as can be told before it is connected to."""
        asked.append(host)
        [found, *_] = look_up("127.0.0.1", port, seconds)
        return [(found[0], found[1])]

    hostile.answer = lambda visit: visit.send(
        b"HTTP/1.1 302 Found\r\nLocation: http://metadata.example/\r\n\r\n"
    )
    # With internal addresses both hosts are asked, without not even the first.
    with pytest.raises(FetchError, match="leads on more than"):
        url = f"http://127.0.0.1:{hostile.port}/"
        fetch_bytes(
            url,
            UrlLimits(redirects=2),
            nobody,
            look_up=lambda host, port, left: public_first(host, hostile.port, left),
        )
    assert asked == ["127.0.0.1", "metadata.example", "metadata.example"]
    hostile.requests.clear()
    with pytest.raises(FetchError, match="internal network"):
        fetch_bytes(url, PUBLIC_ONLY, nobody, look_up=public_first)
    assert not hostile.requests


def test_a_name_is_looked_up_once_for_a_connection(hostile: HostileServer) -> None:
    """Who answers the second time otherwise than the first gains nothing by it."""
    answers = [("192.0.2.1", "127.0.0.1"), ("127.0.0.1",)]
    asked: list[str] = []

    def rebinding(host: str, port: int, seconds: float) -> list[Found]:
        asked.append(host)
        numbers = answers[min(len(asked), len(answers)) - 1]
        return [(each[0], each[1]) for number in numbers for each in look_up(number, port, seconds)]

    with pytest.raises(FetchError, match="internal network"):
        fetch_bytes(
            f"http://rebinding.example:{hostile.port}/", PUBLIC_ONLY, nobody, look_up=rebinding
        )
    assert asked == ["rebinding.example"]
    assert not hostile.requests


def test_no_proxy_looks_up_names_where_addresses_are_checked(
    hostile: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", hostile.url)
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(FetchError, match="internal network"):
        fetch_bytes("http://10.0.0.1/a.jpg", PUBLIC_ONLY, nobody)
    assert not hostile.requests


def test_the_local_network_may_be_fetched_from_and_is_told(hostile: HostileServer) -> None:
    hostile.answer = lambda visit: visit.send(OK + b"Content-Length: 1\r\n\r\nx")
    heard: list[str] = []
    assert fetch_bytes(f"{hostile.url}/a.jpg", UrlLimits(), heard.append) == b"x"
    assert heard == ["127.0.0.1 is 127.0.0.1: of this machine or the local network"]


def test_a_name_without_addresses_is_told() -> None:
    def none(host: str, port: int, seconds: float) -> list[Found]:
        return []

    with pytest.raises(FetchError, match=r"nobody\.example has no address"):
        fetch_bytes("http://nobody.example/", UrlLimits(), nobody, look_up=none)


@pytest.mark.parametrize("host", ["no such host.invalid", "a" * 70 + ".invalid", ""])
def test_looking_up_what_is_no_name_is_an_error(host: str) -> None:
    with pytest.raises((OSError, ValueError)):
        look_up(host, 80, 5)
