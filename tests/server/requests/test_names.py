"""What pictures are called that clients send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from server.requests.names import LONGEST, upload_name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (None, "picture 3"),
        ("", "picture 3"),
        ("\x00\u202e", "picture 3"),
        ("chair.jpg", "chair.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\sofa.png", "sofa.png"),
        ("a\r\nSet-Cookie: b", "a Set-Cookie: b"),
        ("\u202egpj.exe", "gpj.exe"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("\U0001f6cb.jpg", "\U0001f6cb.jpg"),
    ],
)
def test_a_name_is_a_file_s_last_part(name: str | None, shown: str) -> None:
    assert upload_name(name, 3) == shown


@given(st.text(max_size=400))
def test_every_name_is_short_and_on_one_line(name: str) -> None:
    shown = upload_name(name, 1)
    assert 0 < len(shown) <= LONGEST
    assert len(shown.splitlines()) == 1
    assert not any(ord(each) < 32 for each in shown)
    shown.encode()


def test_a_picture_that_cannot_be_used_is_told_by_its_name(reader: TestClient, bed: bytes) -> None:
    files = [("a", ("bed.jpg", bed)), ("b", ("../\x1bodd.jpg", b"no picture"))]
    answer = reader.post("/v1/classify", files=files)
    assert (answer.status_code, answer.json()["thing"]) == (422, "odd.jpg")
    files = [("a", ("bed.jpg", bed)), ("b", ("bed.jpg", bed))]
    assert [each["image"] for each in reader.post("/v1/classify", files=files).json()] == [
        "bed.jpg",
        "bed.jpg",
    ]


def test_a_picture_without_a_name_is_told_by_its_number(reader: TestClient) -> None:
    kind = {"content-type": "image/jpeg"}
    answer = reader.post("/v1/search", content=b"no picture", headers=kind)
    assert (answer.status_code, answer.json()["thing"]) == (422, "picture 1")
