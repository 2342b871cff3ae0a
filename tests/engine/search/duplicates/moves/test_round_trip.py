"""Whatever copies are called and wherever they lie: moved and put back, all is as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.aside import Shop, tree

# Bytes that no file system of Linux refuses, whether or not they are UTF-8, and what people write.
letters = st.sampled_from(
    [
        "a",
        "A",
        " ",
        "\n",
        "\\",
        "'",
        '"',
        "$",
        "*",
        "[",
        "(2)",
        " (2)",
        "ä",
        "a\u0308",
        "\U0001f6cb",
    ]
)
texts = st.lists(letters, min_size=1, max_size=4).map("".join).map(os.fsencode)
odd = st.one_of(
    texts,
    st.binary(min_size=1, max_size=6).filter(lambda name: not {0, ord("/")} & set(name)),
    st.just(b"x" * 251),
    st.just("ä".encode() * 125),
)
names = odd.map(lambda name: name + b".bmp").filter(lambda name: not name.startswith(b"."))
folders = st.one_of(st.just(b"."), odd.filter(lambda name: name not in (b".", b"..")))
pictures = st.dictionaries(
    st.tuples(folders, names).map(lambda both: os.path.join(*both)),
    st.tuples(st.integers(1, 2), st.sampled_from([0o644, 0o600])),
    min_size=2,
    max_size=7,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    pictures=pictures,
    there=st.sets(st.sampled_from([b"shop", b"shop/a.bmp", b"shop/a (2).bmp", b"shop/a"])),
    keep=st.sampled_from(["largest", "oldest"]),
    rounds=st.integers(1, 2),
)
@pytest.mark.slow
def test_moved_and_put_back_all_is_as_it_was(
    tmp_path_factory: pytest.TempPathFactory,
    pictures: dict[bytes, tuple[int, int]],
    there: set[bytes],
    keep: str,
    rounds: int,
) -> None:
    folder = tmp_path_factory.mktemp("round")
    shop = Shop(folder, folder / "aside")
    for name, (content, mode) in pictures.items():
        try:
            shop.put(name, content, mode)
        except (NotADirectoryError, IsADirectoryError, FileExistsError):
            continue  # one is called as the folder of another
    for name in sorted(there, key=len, reverse=True):
        path = Path(os.fsdecode(os.path.join(os.fsencode(shop.aside), name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(b"of somebody")
    shop.index()
    if not list(shop.images.rglob("*")):
        return
    before, others, found = (
        tree(shop.images),
        shop.aside.exists() and tree(shop.aside),
        shop.found(),
    )
    for _ in range(rounds):
        shop.move(keep=keep)
    shop.undo()
    assert tree(shop.images) == before
    assert {name: each for name, each in tree(shop.aside).items() if "moved-" not in name} == (
        others or {}
    )
    assert shop.found() == found
