"""What a server may do to who asks it for a picture."""

from __future__ import annotations

import gzip
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.support.hostile_web import OK, Visit
from tests.support.shop import image
from tests.torture.pictures import mutated

# What a fetch may bring, and how often it may be led on.
BYTES, OVERHEAD, REDIRECTS = 200_000, 100_000, 3
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LINES = (b"\r\n", b"\n", b"\r\n\r\n", b"\0", b"\xff\xfe", b": ", b" ", b"HTTP/1.1 200 OK\r\n")


class Misbehaviour:
    """What a server does when it is asked for a picture.

    Parameters
    ----------
    kind
        One of `KINDS`.
    good
        The bytes of a picture.
    file
        Where it lies, for a server that leads there.
    """

    def __init__(self, kind: str, good: bytes, file: Path, rng: Random) -> None:
        self._kind = kind
        self._good = good
        self._file = file
        self._rng = rng
        self._asked = 0

    def __call__(self, visit: Visit) -> None:
        """Answer."""
        self._asked += 1
        getattr(self, f"_{self._kind}")(visit)

    def _good_picture(self, visit: Visit) -> None:
        """Answer as one should: with a length, until the end, or in chunks, after a warning."""
        if self._rng.random() < 0.3:
            visit.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        kind = self._rng.randrange(3)
        if kind == 0:
            visit.send(OK + b"Content-Length: %d\r\n\r\n" % len(self._good) + self._good)
        elif kind == 1:
            visit.send(OK + b"\r\n" + self._good)
        else:
            visit.send(CHUNKED + b"".join(_chunks(self._good, self._rng)) + b"0\r\nX: y\r\n\r\n")

    def _good_in_pieces(self, visit: Visit) -> None:
        data = OK + b"Content-Length: %d\r\n\r\n" % len(self._good) + self._good
        step = -(-len(data) // self._rng.randrange(1, 12))
        visit.trickle(data[at : at + step] for at in range(0, len(data), step))

    def _good_elsewhere(self, visit: Visit) -> None:
        if self._asked <= self._rng.randrange(1, REDIRECTS + 1) and self._asked <= REDIRECTS:
            status = self._rng.choice([301, 302, 303, 307, 308])
            visit.send(b"HTTP/1.1 %d Go\r\nLocation: /%d\r\n\r\n" % (status, self._asked))
        else:
            self._good_picture(visit)

    def _trickle(self, visit: Visit) -> None:
        """Send something byte by byte, at any place of an answer, and its last byte for ever."""
        data = CHUNKED + b"".join(_chunks(self._good, self._rng)) + b"0\r\nX: y\r\n"
        if self._rng.random() < 0.4:
            data = b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" * 3 + data
        at = self._rng.randrange(min(len(data), 200) if self._rng.random() < 0.7 else len(data))
        visit.send(data[:at])
        rest = (data[i : i + 1] for i in range(at, len(data)))
        visit.trickle(itertools.chain(rest, itertools.repeat(self._rng.choice(LINES)[:1])))

    def _silence(self, visit: Visit) -> None:
        visit.send((OK + b"Content-Length: 9\r\n\r\n")[: self._rng.randrange(40)])
        visit.wait(60)

    def _continue_for_ever(self, visit: Visit) -> None:
        piece = b"HTTP/1.1 100 Continue\r\n\r\n"
        if self._rng.random() < 0.5:
            visit.flood(piece)
        visit.trickle(itertools.repeat(piece))

    def _flood(self, visit: Visit) -> None:
        """Send more than anybody wants, of any part of an answer."""
        before = self._rng.choice(
            [b"", OK, OK + b"X: ", OK + b"\r\n", CHUNKED, CHUNKED + b"1;", CHUNKED + b"0\r\n"]
        )
        visit.send(before)
        visit.flood(self._rng.choice([b"X: y\r\n", b"a" * 997, b"0", b"\r\n", b"1\r\nx\r\n"]) * 50)

    def _redirect(self, visit: Visit) -> None:
        """Lead in a circle, astray, or out of the web."""
        here = f"http://127.0.0.1:{visit.port}"
        location = self._rng.choice(
            [
                *(visit.path, "/?", f"{here}/x", f"//127.0.0.1:{visit.port}/x"),
                *(f"file://{self._file}", f"FILE:{self._file}", "ftp://127.0.0.1/a.bmp"),
                *("gopher://x/", "data:image/bmp;base64,Qk0=", "javascript:1", "//", "http://[::1"),
                *("http://127.0.0.1:1/a.bmp", "https://127.0.0.1:1/", "http://nobody.invalid/"),
                *("\0", "\xff" * 9, " ", "/" * 60_000, "http://me:word@127.0.0.1/"),
            ]
        )
        if self._rng.random() < 0.3:
            visit.wait(self._rng.random() / 2)
        line = b"Location: " + location.encode("latin-1") + b"\r\n"
        visit.send(b"HTTP/1.1 302 Found\r\n" + line + b"Content-Length: 0\r\n\r\n")

    def _length(self, visit: Visit) -> None:
        """Lie about the length, or contradict oneself."""
        size = len(self._good)
        lengths = [size + 1, size * 2, size - 1, 1, 0, -1, BYTES + 1, 2**64, "abc", "", "1e3", "+5"]
        lines = [b"Content-Length: %s\r\n" % str(self._rng.choice(lengths)).encode()]
        if self._rng.random() < 0.3:
            lines.append(self._rng.choice([b"Transfer-Encoding: chunked\r\n", *lines * 2]))
        visit.send(OK + b"".join(lines) + b"\r\n" + self._good)

    def _chunk_sizes(self, visit: Visit) -> None:
        sizes = (b"-5", b"0x10", b"fffffffffffffffff", b"zz", b"", b" 5 ", b"1;" + b"a" * 70_000)
        visit.send(CHUNKED + b"3\r\nBM1\r\n" + self._rng.choice(sizes) + b"\r\n" + self._good)

    def _headers(self, visit: Visit) -> None:
        """Send many headers, long ones, or none that are any."""
        kind = self._rng.choice(["many", "long", "odd"])
        if kind == "odd":
            lines = b"".join(self._rng.choices(LINES, k=20))
        else:
            lines = b"X: y\r\n" * 5000 if kind == "many" else b"X: " + b"y" * 90_000 + b"\r\n"
        visit.send(OK + lines + b"Content-Length: %d\r\n\r\n" % len(self._good) + self._good)

    def _status(self, visit: Visit) -> None:
        status = self._rng.choice(
            [b"404", b"500", b"304", b"100", b"101", b"999", b"0", b"-1", b"x"]
        )
        reason = self._rng.choice([b"", b"\x1b[31mred", b"a" * 60_000, b"\xff\0"])
        visit.send(b"HTTP/1.1 " + status + b" " + reason + b"\r\n\r\n" + self._good)

    def _other_protocol(self, visit: Visit) -> None:
        visit.send(
            self._rng.choice([b"SSH-2.0-x\r\n", b"\x16\x03\x01\0\x05", b"", b"\0" * 99, b"HTTP/9"])
        )

    def _large(self, visit: Visit) -> None:
        data = self._good + bytes(BYTES)
        head = OK + (b"Content-Length: %d\r\n" % len(data) if self._rng.random() < 0.5 else b"")
        visit.send(head + b"\r\n" + data)

    def _packed(self, visit: Visit) -> None:
        """Send what unpacks to a picture, or to a thousand times the limit."""
        data = self._good if self._rng.random() < 0.5 else bytes(BYTES * 1000)
        body = gzip.compress(data, 1)[: BYTES - 1]
        encoding = self._rng.choice([b"gzip", b"deflate", b"br", b"identity, gzip"])
        visit.send(OK + b"Content-Encoding: " + encoding + b"\r\n\r\n" + body)

    def _reset(self, visit: Visit) -> None:
        data = OK + b"Content-Length: %d\r\n\r\n" % len(self._good) + self._good
        visit.send(data[: self._rng.randrange(len(data))])
        visit.reset()

    def _page(self, visit: Visit) -> None:
        visit.send(
            OK
            + b"Content-Type: text/html\r\n\r\n<html><script>alert(1)</script>"
            + b"<svg onload='x'/>" * self._rng.randrange(1000)
        )

    def _mutated_picture(self, visit: Visit) -> None:
        drawn = io.BytesIO()
        format = self._rng.choice(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
        image(3).resize((200, 200)).save(drawn, format)
        data = mutated(drawn.getvalue(), self._rng)[:BYTES]
        visit.send(OK + b"Content-Length: %d\r\n\r\n" % len(data) + data)


def _chunks(data: bytes, rng: Random) -> Iterator[bytes]:
    step = rng.randrange(100, len(data) + 1)
    for at in range(0, len(data), step):
        part = data[at : at + step]
        yield b"%x%s\r\n%s\r\n" % (len(part), rng.choice([b"", b";x=y"]), part)
