"""What `--where` clauses let through."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from index.catalog.catalog import Catalog
from index.catalog.filters import FIELDS, Filter
from index.catalog.images import Batch
from index.errors import FilterError

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


letters = st.text("ab%_\\.\N{COUCH AND LAMP}", max_size=5)
globs = st.text("ab%_\\.*?\N{COUCH AND LAMP}", max_size=5)


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
    try:
        found = shared_catalog.images.matching(Filter.parse([f"label~{glob}"])).tolist()
        expected = zip(ids, labels, strict=True)
        assert found == [key for key, label in expected if fnmatchcase(label, glob)]
    finally:
        shared_catalog.images.delete(ids)


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
        ("width=wide", "'wide' is not a number"),
        ("width=", "'' is not a number"),
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
