"""Who is let in: by a known name, from no other site, with the token, not too often."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from engine.errors import UsageError
from server.options import ServerLimits, ServerOptions
from server.security.door import Door
from server.security.headers import HEADERS
from server.security.rates import CLIENTS, ClientRates
from server.security.tokens import TokenCheck, token_for
from tests.server.conftest import NewClient

TOKEN = "a-long-enough-token"
WITH_TOKEN = ServerOptions(token=TOKEN)
COOKIE = TokenCheck(TOKEN).cookie_name


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "127.0.0.1:8000",
        "[::1]:8000",
        "[::1]",
        "LOCALHOST:1",
        "192.0.2.7:80",
        "[2001:db8::7]",
    ],
)
def test_this_machine_s_names_are_known(reader: TestClient, host: str) -> None:
    assert reader.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "",
    ],
)
def test_a_name_that_somebody_else_made_up_is_refused(reader: TestClient, host: str) -> None:
    answer = reader.get("/v1/images", headers={"host": host})
    assert (answer.status_code, answer.json()["type"]) == (400, "HostError")


def test_a_name_may_be_allowed(new_client: NewClient) -> None:
    client = new_client(ServerOptions(allowed_hosts=("Pictures.example",)))
    assert client.get("/healthz", headers={"host": "pictures.example:443"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://localhost:8000"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"origin": "http://["},
        {"origin": "http://a]b"},
    ],
)
def test_no_other_site_makes_it_do_anything(reader: TestClient, headers: dict[str, str]) -> None:
    for method in ("POST", "PATCH", "DELETE", "PUT"):
        answer = reader.request(method, "/v1/images/3", headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (403, "OriginError")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin", "origin": "http://localhost:8000"},
        {"sec-fetch-site": "none"},
        {"origin": "http://localhost:8000"},
    ],
)
def test_its_own_page_and_programs_may(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.patch("/v1/images/3", json={"label": "a"}, headers=headers)
    assert answer.status_code == 200


def test_no_answer_is_for_pages_of_other_sites(reader: TestClient) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    for answer in (
        reader.get("/v1/images", headers=asked),
        reader.options("/v1/search", headers=asked),
    ):
        assert not any(name.startswith("access-control") for name in answer.headers)


def test_every_answer_tells_browsers_what_not_to_do(reader: TestClient) -> None:
    for address in ("/healthz", "/v1/images", "/none", "/v1/images/x", "/v1/images/3/thumbnail"):
        answer = reader.get(address)
        assert all(answer.headers[name] == value for name, value in HEADERS.items())
    answer = reader.get("/", headers={"host": "evil.example"})
    assert all(answer.headers[name] == value for name, value in HEADERS.items())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer"},
        {"cookie": f"{COOKIE}={TOKEN}"},
        {"cookie": f"{COOKIE}=; ;;=\x01"},
    ],
)
def test_without_the_token_nothing_is_told(new_client: NewClient, headers: dict[str, str]) -> None:
    client = new_client(WITH_TOKEN)
    for address in ("/v1/images", "/openapi.json", "/metrics", "/readyz", "/made/up"):
        answer = client.get(address, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert TOKEN not in answer.text
    assert client.get("/healthz", headers=headers).status_code == 200


def test_the_page_opens_without_the_token_to_say_how_to_get_in(new_client: NewClient) -> None:
    client = new_client(WITH_TOKEN)
    for address in ("/", "/page/app.js"):
        for method in ("GET", "HEAD"):
            assert client.request(method, address).status_code == 200
        assert client.post(address).status_code == 401
    assert client.get("/pages").status_code == client.get("/page").status_code == 401


def test_a_program_shows_it_in_a_header(new_client: NewClient) -> None:
    client = new_client(WITH_TOKEN)
    for scheme in ("Bearer", "bearer"):
        asked = {"authorization": f"{scheme} {TOKEN}"}
        assert client.get("/v1/images", headers=asked).status_code == 200


def test_a_browser_shows_it_once_and_keeps_a_cookie(new_client: NewClient) -> None:
    client = new_client(WITH_TOKEN)
    answer = client.get(f"/?token={TOKEN}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and TOKEN not in cookie
    client.cookies.clear()
    shown = {"cookie": cookie.partition(";")[0]}
    assert client.get("/v1/images", headers=shown).status_code == 200
    assert client.get("/v1/images").status_code == 401


@pytest.mark.parametrize(
    "other", ['x={"a":1}', "foo bar=1", "[x]=1", '_x="a"b', "é=1", "a=1; ;b", f"{COOKIE}=x"]
)
def test_cookies_of_other_services_of_this_host_lock_nobody_out(other: str) -> None:
    check = TokenCheck(TOKEN)
    own = check.set_cookie("", secure=False).partition(";")[0]
    assert check.is_shown("", f"{other}; {own}") and check.is_shown("", f"{own}; {other}")
    assert not check.is_shown("", f"{other}; x{own}; {own}0")


def test_a_link_that_serves_once_is_not_used_up_while_there_is_no_room() -> None:
    options = replace(WITH_TOKEN, once="once", limits=ServerLimits(requests=1))
    link = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"token=once",
        "headers": [(b"host", b"localhost")],
    }

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def status() -> int:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await door(dict(link), receive, send)
        return int(sent[0]["status"])

    while_full: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while_full.append(await status())

    async def ignored(message: Message) -> None:
        pass

    door = Door(app, options)
    asyncio.run(door(link | {"query_string": b""}, receive, ignored))
    assert while_full == [503]
    assert asyncio.run(status()) == 303


def test_behind_a_proxy_with_tls_the_cookie_is_for_tls_alone(new_client: NewClient) -> None:
    client = new_client(WITH_TOKEN)
    for proto, secure in (("https", True), ("http", False)):
        asked = {"x-forwarded-proto": proto}
        answer = client.get(f"/?token={TOKEN}", headers=asked, follow_redirects=False)
        assert ("Secure" in answer.headers["set-cookie"]) is secure


@pytest.mark.parametrize(
    "path", ["//evil.example/", "/\\evil.example/", "/\r\nX: y", "/\u20ac", "/v1/images"]
)
def test_the_link_leads_to_the_page_alone(new_client: NewClient, path: str) -> None:
    app, sent = new_client(WITH_TOKEN).app, list[Message]()

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": f"token={TOKEN}".encode(),
        "headers": [(b"host", b"localhost")],
    }
    asyncio.run(app(scope, receive, send))  # type: ignore[operator]
    assert sent[0]["status"] == 401
    assert not any(name == b"location" for name, _ in sent[0]["headers"])


def test_a_wrong_link_is_no_way_in(new_client: NewClient) -> None:
    client = new_client(WITH_TOKEN)
    answer = client.get("/?token=wrong", follow_redirects=False)
    assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)
    assert client.get("/v1/images?token=wrong").status_code == 401
    assert client.post(f"/?token={TOKEN}").status_code == 401
    assert client.post(f"/v1/search?token={TOKEN}", json={"ids": [1]}).status_code == 401


def test_a_cookie_of_one_token_is_none_of_another() -> None:
    one, other = TokenCheck(TOKEN), TokenCheck("another-long-token")
    kept = one.set_cookie("", secure=True).partition(";")[0]
    assert one.is_shown("", kept)
    assert not other.is_shown("", kept)
    # A browser that sends both to one host keeps both.
    assert one.cookie_name != other.cookie_name


def test_who_is_let_in_by_one_process_with_a_token_is_let_in_by_all(
    new_client: NewClient,
) -> None:
    one, other = (new_client(replace(WITH_TOKEN, port=port)) for port in (8001, 8002))
    answer = one.get(f"/?token={TOKEN}", follow_redirects=False)
    shown = {"cookie": answer.headers["set-cookie"].partition(";")[0]}
    other.cookies.clear()
    assert other.get("/v1/images", headers=shown).status_code == 200


def test_a_link_that_serves_once_serves_once_for_all_processes(tmp_path: Path) -> None:
    unused = tmp_path / "unused"
    unused.touch()
    checks = [TokenCheck(TOKEN, "once", unused) for _ in range(3)]
    assert [check.opens("wrong") for check in checks] == [False] * 3
    assert [check.opens("once") for check in checks] == [True, False, False]
    assert [check.opens("once") for check in checks] == [False] * 3
    assert checks[1].opens(TOKEN)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "pictures.example"])
def test_beyond_this_machine_a_token_is_needed(host: str) -> None:
    with pytest.raises(UsageError, match="token"):
        ServerOptions(host=host)
    ServerOptions(host=host, token=TOKEN)


@pytest.mark.parametrize("token", ["", "short", "naïve-and-long-enough"])
def test_a_token_is_long_and_plain(token: str) -> None:
    with pytest.raises(UsageError, match="token"):
        ServerOptions(token=token)


def test_a_token_is_read_from_a_file_or_the_environment(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("token") / "token"
    file.write_text(f" {TOKEN}\r\nmore\n")
    monkeypatch.setenv("ENGINE_TOKEN", "of-the-environment")
    assert token_for(file) == TOKEN
    assert token_for(None) == "of-the-environment"
    monkeypatch.delenv("ENGINE_TOKEN")
    assert token_for(None) is None
    with pytest.raises(UsageError):
        token_for(file.with_name("none"))


def test_who_asks_too_often_waits(new_client: NewClient) -> None:
    options = ServerOptions(limits=ServerLimits(rate=0.5, burst=3))
    app = new_client(options).app
    stranger = TestClient(app, base_url="http://localhost:8000", client=("192.0.2.7", 5000))
    found = [stranger.get("/healthz") for _ in range(5)]
    assert [each.status_code for each in found] == [200, 200, 200, 429, 429]
    assert json.loads(found[-1].text)["type"] == "RateError"
    assert found[-1].headers["retry-after"] == "2"
    # This machine's own programs, and a proxy on it, are not counted.
    assert {new_client(options).get("/healthz").status_code for _ in range(9)} == {200}


def test_a_bucket_fills_at_its_rate_and_no_further() -> None:
    now = [0.0]
    rates = ClientRates(2.0, 3, lambda: now[0])
    assert [rates.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert rates.wait("b") == 0
    now[0] = 0.5
    assert [rates.wait("a") for _ in range(2)] == [0, 0.5]
    now[0] = 1e6
    assert [rates.wait("a") > 0 for _ in range(4)] == [False, False, False, True]


def test_no_more_clients_are_remembered_than_there_is_room_for() -> None:
    rates = ClientRates(1.0, 1, lambda: 0.0)
    for number in range(CLIENTS + 50):
        rates.wait(str(number))
    assert len(rates._buckets) == CLIENTS


@pytest.mark.parametrize("asked", ["/pictures", ""])
def test_below_a_proxy_s_path_all_is_as_without(new_client: NewClient, asked: str) -> None:
    # Whether the proxy takes the path away or not.
    client = new_client(ServerOptions(token=TOKEN, root_path="/pictures"))
    answer = client.get(f"{asked}/?token={TOKEN}", follow_redirects=False)
    assert answer.headers["location"] == "/pictures/"
    assert "Path=/pictures;" in answer.headers["set-cookie"]
    assert client.get(f"{asked}/healthz").status_code == 200
    shown = {"authorization": f"Bearer {TOKEN}"}
    assert client.get(f"{asked}/v1/images/3", headers=shown).status_code == 200
    assert client.get("/picturesque", headers=shown).status_code == 404
    slash = client.get("/pictures", follow_redirects=False)
    assert (slash.status_code, slash.headers["location"]) == (308, "/pictures/")


@pytest.mark.parametrize(
    ("host", "allowed", "address"),
    [
        ("127.0.0.1", (), "http://localhost:8000/"),
        ("localhost", (), "http://localhost:8000/"),
        ("127.0.0.2", (), "http://127.0.0.2:8000/"),
        ("::1", (), "http://[::1]:8000/"),
        ("0.0.0.0", (), "http://localhost:8000/"),
        ("::", ("pictures.example",), "http://pictures.example:8000/"),
    ],
)
def test_it_is_known_by_the_address_that_it_tells(
    new_client: NewClient, host: str, allowed: tuple[str, ...], address: str
) -> None:
    options = ServerOptions(host=host, token=TOKEN, allowed_hosts=allowed)
    assert options.address == address
    asked = {"host": urlsplit(address).netloc}
    assert new_client(options).get("/healthz", headers=asked).status_code == 200


def test_what_another_site_shows_makes_nothing_happen(reader: TestClient) -> None:
    for site in ("cross-site", "same-site"):
        image = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}
        assert reader.get("/v1/status", headers=image).status_code == 403
        link = {"sec-fetch-site": site, "sec-fetch-mode": "navigate"}
        assert reader.get("/v1/duplicates", headers=link).status_code == 403
        assert reader.get("/", headers=link).status_code == 200


def test_no_more_is_let_in_than_there_is_room_for(new_client: NewClient) -> None:
    client = new_client(ServerOptions(limits=ServerLimits(requests=0)))
    answer = client.get("/healthz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize("options", [{"root_path": "pictures"}, {"root_path": "/a/"}, {"port": -1}])
def test_odd_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        ServerOptions(**options)  # type: ignore[arg-type]
