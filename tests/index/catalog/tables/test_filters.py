"""What `--where` clauses let through."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from string import ascii_lowercase

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from index.catalog.catalog import Catalog
from index.catalog.tables.filters import FIELDS, Filter
from index.catalog.tables.images import Batch
from index.errors import FilterError
from index.names import composed

MakeBatch = Callable[..., Batch]


def _paths(catalog: Catalog, *clauses: str) -> list[str]:
    ids = catalog.images.matching(Filter.parse(clauses)).tolist()
    rows = catalog.images.rows(ids)
    return [rows[key].path for key in ids]


@pytest.fixture
def stocked(catalog: Catalog, make_batch: MakeBatch) -> Catalog:
    """Four images: a bed, a lamp, one without a label, and one that nothing is known of."""
    store = catalog.images.store
    store(make_batch(["/shop/bed.jpg"], labels=["bed"], categories=["quilt"], probability=0.9))
    store(make_batch(["/shop/lamp.png"], labels=["lamp"], width=800, kind="PNG", size=5))
    store(make_batch(["/attic/bed.jpg"], categories=["quilt"], height=1000, probability=0.25))
    store(make_batch(["/attic/odd.jpg"], categories=["quilt"], unknown=[True], width=801))
    return catalog


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("label=bed", ["/shop/bed.jpg"]),
        ("label = bed ", ["/shop/bed.jpg"]),
        ("LABEL=bed", ["/shop/bed.jpg"]),
        ("label!=bed", ["/shop/lamp.png", "/attic/bed.jpg", "/attic/odd.jpg"]),
        ("label~*e*", ["/shop/bed.jpg"]),
        ("label=quilt", []),
        ("category=quilt", ["/shop/bed.jpg", "/attic/bed.jpg"]),
        ("category!=quilt", ["/shop/lamp.png", "/attic/odd.jpg"]),
        ("category~th?ng", ["/shop/lamp.png"]),
        ("path=/attic/bed.jpg", ["/attic/bed.jpg"]),
        ("path!=/attic/bed.jpg", ["/shop/bed.jpg", "/shop/lamp.png", "/attic/odd.jpg"]),
        ("path~/shop/*", ["/shop/bed.jpg", "/shop/lamp.png"]),
        ("path~shop", []),
        ("text~bed", ["/shop/bed.jpg", "/attic/bed.jpg"]),
        ("text~BED shop", ["/shop/bed.jpg"]),
        ("text~shop-lamp", ["/shop/lamp.png"]),
        ("text~quilt", []),
        ("text~ed", []),
        ("format=PNG", ["/shop/lamp.png"]),
        ("width=800", ["/shop/lamp.png"]),
        ("width!=640", ["/shop/lamp.png", "/attic/odd.jpg"]),
        ("width>800", ["/attic/odd.jpg"]),
        ("width>=800", ["/shop/lamp.png", "/attic/odd.jpg"]),
        ("width<800", ["/shop/bed.jpg", "/attic/bed.jpg"]),
        ("width<=800", ["/shop/bed.jpg", "/shop/lamp.png", "/attic/bed.jpg"]),
        ("height>5e2", ["/attic/bed.jpg"]),
        ("size<6", ["/shop/lamp.png"]),
        ("probability>=0.5", ["/shop/bed.jpg", "/shop/lamp.png"]),
        ("probability<0.5", ["/attic/bed.jpg"]),
    ],
)
def test_a_clause_lets_through_what_it_says(
    stocked: Catalog, clause: str, expected: list[str]
) -> None:
    assert _paths(stocked, clause) == expected


def test_clauses_must_hold_all_at_once(stocked: Catalog) -> None:
    assert _paths(stocked, "category=quilt", "path~/attic/*") == ["/attic/bed.jpg"]
    assert _paths(stocked, "width>640", "width<801") == ["/shop/lamp.png"]
    assert _paths(stocked, "label=bed", "label=lamp") == []


def test_two_filters_join_into_one(stocked: Catalog) -> None:
    joined = Filter.parse(["path~/attic/*"]) & Filter.category("quilt")
    [found] = stocked.images.matching(joined).tolist()
    assert stocked.images.rows([found])[found].path == "/attic/bed.jpg"


def test_no_clauses_let_every_image_through(stocked: Catalog) -> None:
    assert len(_paths(stocked)) == 4
    assert not Filter()
    assert Filter.parse(["label=x"])


@pytest.mark.parametrize("clause", ["label!=x", "path~*", "width>0", "category!=x"])
def test_a_gone_image_is_never_let_through(stocked: Catalog, clause: str) -> None:
    [gone] = stocked.images.matching(Filter.parse(["path=/shop/bed.jpg"])).tolist()
    stocked.images.hide([gone])
    assert "/shop/bed.jpg" not in _paths(stocked, clause)
    assert len(_paths(stocked, clause)) == 3


def test_a_category_is_not_claimed_for_an_image_that_is_unknown(stocked: Catalog) -> None:
    found = stocked.images.matching(Filter.category("quilt")).tolist()
    assert {row.path for row in stocked.images.rows(found).values()} == {
        "/shop/bed.jpg",
        "/attic/bed.jpg",
    }


# What `label~GLOB` says of labels, on every database.
CASES = [
    ("bed*", ["bed", "Bed", "BEDROOM"], ["a bed", "be d"]),
    ("BED*", ["bed", "Bed", "BEDROOM"], ["a bed"]),
    ("*Ärger", ["ärger", "ÄRGER", "Viel Ärger", "a\u0308rger"], ["arger"]),
    ("*a\u0308rger", ["ärger", "A\u0308RGER"], ["arger"]),
    ("e*", ["elm", "E"], ["e\u0301tage", "étage"]),
    ("a;`b", ["A\u037e\u1fefb"], ["a;"]),
    ("straße", ["Straße", "STRAẞE"], ["strasse", "STRASSE"]),
    ("stra?e", ["straße", "STRAẞE"], ["strasse"]),
    ("ΣΟΦΟΣ", ["σοφος", "σοφοσ", "Σοφος"], ["σοφο"]),
    ("ДОМ*", ["дом", "Домик"], ["dom"]),
    ("izmir", ["IZMIR", "İzmir", "ızmir"], ["zmir"]),
    ("İZMİR", ["izmir", "İzmir"], ["zmir"]),
    ("k?lvin", ["Kelvin", "\N{KELVIN SIGN}elvin", "kÉlvin"], ["kelvvin"]),
    ("slow", ["SLOW", "\N{LATIN SMALL LETTER LONG S}low"], ["low"]),
    ("?", ["é", "É", "\N{COUCH AND LAMP}", "_", "?", "e\u0301"], ["", "ab"]),
    ("[a-c]%_", ["[a-c]%_", "[A-C]%_"], ["b%_", "[a-c]xy"]),
    ("a\\*", ["a\\b", "A\\"], ["a", "a*"]),
    ("", [""], ["a"]),
    ("*", ["", "a", "a\nb"], []),
]


@pytest.mark.parametrize(("glob", "fitting", "others"), CASES)
def test_a_glob_ignores_case_and_a_comparison_does_not(
    shared_catalog: Catalog,
    make_batch: MakeBatch,
    glob: str,
    fitting: list[str],
    others: list[str],
) -> None:
    labels = [*fitting, *others]
    paths = [f"/{number}" for number in range(len(labels))]
    ids = shared_catalog.images.store(make_batch(paths, labels=labels))
    try:
        found = shared_catalog.images.matching(Filter.parse([f"label~{glob}"])).tolist()
        assert [label for key, label in zip(ids, labels, strict=True) if key in found] == fitting
        equal = shared_catalog.images.matching(Filter.parse([f"label={glob}"])).tolist()
        assert equal == [
            key for key, label in zip(ids, labels, strict=True) if composed(label) == composed(glob)
        ]
    finally:
        shared_catalog.images.delete(ids)


# What `text~WORDS` says of paths and labels, on every database.
WORDS = [
    (
        "chair",
        [("/a/Chairs/1", None), ("/a/1", "arm-chair"), ("/CHAIR_01", "x")],
        [("/armchair", "x")],
    ),
    ("red chair", [("/red/1", "chair"), ("/chair", "reddish")], [("/red", None), ("/1", "chair")]),
    ("ANT", [("/ant", None)], [("/elephant/plants", "giant")]),
    ("Äpfel", [("/äpfel", None), ("/a\u0308pfel", None), ("/1", "ÄPFELMUS")], [("/apfel", "x")]),
    ("イス", [("/赤いイス", None)], [("/赤い", None)]),
    ("100%", [("/100", None), ("/x", "100_a")], [("/x100", "a100")]),
]


@pytest.mark.parametrize(("words", "fitting", "others"), WORDS)
def test_words_are_looked_for_in_path_and_label(
    shared_catalog: Catalog,
    make_batch: MakeBatch,
    words: str,
    fitting: list[tuple[str, str | None]],
    others: list[tuple[str, str | None]],
) -> None:
    paths, labels = zip(*fitting, *others, strict=True)
    # Each in a folder of its own, whose name is no word that is asked for.
    batch = make_batch([f"/{row}{path}" for row, path in enumerate(paths)], labels=list(labels))
    ids = shared_catalog.images.store(batch)
    try:
        condition = Filter.parse([f"text~{words}", "path~*"])
        found = shared_catalog.images.matching(condition).tolist()
        assert found == sorted(ids)[: len(fitting)]
    finally:
        shared_catalog.images.delete(ids)


def test_two_globs_of_one_field_must_both_match(stocked: Catalog) -> None:
    assert _paths(stocked, "path~*SHOP*", "path~*.jpg") == ["/shop/bed.jpg"]


def test_globs_of_categories_paths_and_formats_ignore_case_too(stocked: Catalog) -> None:
    assert _paths(stocked, "category~QU*") == ["/shop/bed.jpg", "/attic/bed.jpg"]
    assert _paths(stocked, "path~/SHOP/*.JPG", "format~jp?g") == ["/shop/bed.jpg"]
    assert _paths(stocked, "format=jpeg") == []


def test_no_other_letter_is_a_variant_of_an_ascii_letter_that_sql_compares() -> None:
    others = "".join(map(chr, range(0x80, 0x110000)))
    for letter in set(ascii_lowercase) - set("iks"):
        assert re.search(letter, others, re.IGNORECASE) is None


letters = st.text("abAB%_\\.[]!-äÄßkK\N{KELVIN SIGN}\N{COUCH AND LAMP}", max_size=5)
globs = st.text("abAB%_\\.*?[]!-äÄßkK\N{KELVIN SIGN}\N{COUCH AND LAMP}", max_size=5)


def _simply_folded(text: str) -> str:
    return "".join(each.lower() for each in text)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(labels=st.lists(letters, min_size=1, max_size=6), glob=globs)
@example(["ab", "a_", "a%", "a"], "a_")
@example(["ab", "a_", "a%", "a"], "a%")
@example(["a\\b", "ab", "a\\"], "a\\*")
def test_a_glob_means_only_its_stars_and_question_marks(
    shared_catalog: Catalog, make_batch: MakeBatch, labels: list[str], glob: str
) -> None:
    paths = [f"/{number}" for number in range(len(labels))]
    ids = shared_catalog.images.store(make_batch(paths, labels=labels))
    literal = _simply_folded(glob).replace("[", "[[]")
    try:
        found = shared_catalog.images.matching(Filter.parse([f"label~{glob}"])).tolist()
        expected = zip(ids, map(_simply_folded, labels), strict=True)
        assert found == [key for key, label in expected if fnmatchcase(label, literal)]
    finally:
        shared_catalog.images.delete(ids)


@pytest.fixture
def odd_names(catalog: Catalog, make_batch: MakeBatch) -> Catalog:
    """Two files whose names are no valid Unicode, and one that looks like how they are stored."""
    paths = [b"/a/caf\xe9.jpg", b"/a/\xff\xfe.JPG", b"/a/fsbytes:%2Fcaf"]
    catalog.images.store(make_batch([os.fsdecode(path) for path in paths]))
    return catalog


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        (b"/a/caf?.jpg", [b"/a/caf\xe9.jpg"]),
        (b"/A/CAF\xe9.*", [b"/a/caf\xe9.jpg"]),
        (b"/a/caf\xc9.jpg", []),
        (b"/a/??.jpg", [b"/a/\xff\xfe.JPG"]),
        (b"*.jpg", [b"/a/caf\xe9.jpg", b"/a/\xff\xfe.JPG"]),
        (b"*%2F*", [b"/a/fsbytes:%2Fcaf"]),
        (b"fsbytes:*", []),
        (b"*e9*", []),
    ],
)
def test_a_byte_that_is_no_text_is_one_character_to_a_glob(
    odd_names: Catalog, glob: bytes, expected: list[bytes]
) -> None:
    found = _paths(odd_names, f"path~{os.fsdecode(glob)}")
    assert [os.fsencode(path) for path in found] == expected


def test_a_path_of_undecodable_bytes_is_found_by_comparison(odd_names: Catalog) -> None:
    path = os.fsdecode(b"/a/caf\xe9.jpg")
    assert _paths(odd_names, f"path={path}") == [path]
    assert len(_paths(odd_names, f"path!={path}")) == 2


def test_a_glob_of_many_stars_takes_no_longer_than_its_length(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    catalog.images.store(make_batch(["/" + "a" * 200]))
    assert _paths(catalog, "path~" + "*a" * 60 + "*b") == []


@pytest.mark.parametrize("text", ["'; DROP TABLE images; --", "a=b", "x\ny", '"', ":name"])
def test_a_value_is_only_ever_a_value(catalog: Catalog, make_batch: MakeBatch, text: str) -> None:
    catalog.images.store(make_batch(["/a", "/b"], labels=[text, None]))
    assert _paths(catalog, f"label={text}") == ["/a"]


@pytest.mark.parametrize(
    ("clause", "words"),
    [
        ("label", "FIELD OPERATOR VALUE"),
        ("", "FIELD OPERATOR VALUE"),
        ("=chair", "FIELD OPERATOR VALUE"),
        ("width 800", "FIELD OPERATOR VALUE"),
        ("label>chair", "label is a text"),
        ("width~8*", "width is a number"),
        ("text=bed", "path and label together"),
        ("text~", "no word in it"),
        ("text~_-?", "no word in it"),
        ("width=wide", "'wide' is not a number"),
        ("width=", "'' is not a number"),
        ("width>nan", "'nan' is not a number"),
        ("size<-inf", "'-inf' is not a number"),
        ("width<-1", "no image has a width of -1"),
        ("probability>80", "no image has a probability of 80"),
    ],
)
def test_a_bad_clause_is_refused_with_the_reason(clause: str, words: str) -> None:
    with pytest.raises(FilterError) as caught:
        Filter.parse(["path~*", clause])
    assert caught.value.thing == f"--where {clause}"
    assert words in caught.value.reason
    assert caught.value.exit_code == 2


def test_an_unknown_field_is_answered_with_all_that_exist() -> None:
    with pytest.raises(FilterError, match="there is no field colour") as caught:
        Filter.parse(["colour=red"])
    assert all(field in caught.value.remedy for field in FIELDS)


def test_an_unknown_field_is_answered_with_the_nearest() -> None:
    with pytest.raises(FilterError, match="Did you mean label"):
        Filter.parse(["lable=chair"])


def test_a_clause_is_shown_as_it_is_written() -> None:
    clauses = ["label=chair", "width>=800", "path~*/2024/*", "probability<0.25"]
    assert [str(clause) for clause in Filter.parse(clauses).clauses] == clauses
