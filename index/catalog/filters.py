"""`--where` clauses: what a person types, the SQL it becomes, and what is left to Python.

`=` and `!=` compare texts exactly, `~` is a glob that ignores case: `*` stands for any characters
and `?` for one, and two letters are the same where they differ in case alone (`Ä` and `ä`, `Σ` and
`ς`, `ẞ` and `ß`), but `ß` is not `ss`. Databases know other rules, if any beyond ASCII, each its
own. So SQL lets through what may match, and Python, whose rule is the same for all, decides.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, type_coerce
from sqlalchemy.types import NullType

from index.catalog.schema import UNDECODABLE, Category, Image, Prediction, Query, decode_path
from index.errors import FilterError

_TEXT: dict[str, Any] = {
    "label": Image.label,
    "category": Category.name,
    "path": Image.path,
    "format": Image.format,
}
_NUMBER: dict[str, Any] = {
    "width": Image.width,
    "height": Image.height,
    "size": Image.size,
    "probability": Prediction.probability,
}
_OPERATORS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": lambda column, value: column == value,
    "!=": lambda column, value: or_(column != value, column.is_(None)),
    "<=": lambda column, value: column <= value,
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    ">": lambda column, value: column > value,
    # A path of undecodable bytes is stored encoded: SQL cannot tell what it matches.
    "~": lambda column, value: or_(
        column.ilike(_like(value), escape="\\"),
        column.like(f"{UNDECODABLE}%") if column is Image.path else false(),
    ),
}
# `_` also stands for the ASCII letters that have a case variant beyond ASCII: İ and ı, the Kelvin
# sign, the long s.
_LIKE = {"*": "%", "?": "_", "\\": r"\\", "%": r"\%", "_": r"\_"} | dict.fromkeys("iksIKS", "_")
_CLAUSE = re.compile(r"\s*([A-Za-z_]+)\s*(<=|>=|!=|=|<|>|~)(.*)", re.DOTALL)
FIELDS = (*_TEXT, *_NUMBER)


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition on an image: `label=chair`, `width>=800`, `path~*/2024/*`."""

    field: str
    operator: str
    value: str | float


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that an image must meet all at once; none at all lets every image through."""

    clauses: tuple[Clause, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.clauses)

    def __and__(self, other: Filter) -> Filter:
        return Filter(self.clauses + other.clauses)

    @classmethod
    def category(cls, name: str) -> Filter:
        """Images whose predicted category is `name`."""
        return cls((Clause("category", "=", name),))

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Filter:
        """Read `--where` clauses.

        Raises
        ------
        FilterError
            A clause that is not FIELD OPERATOR VALUE, an unknown field, not a number.
        """
        return cls(tuple(_parse(text) for text in texts))

    def sql(self) -> ColumnElement[bool]:
        """Return a condition over the tables of `with_prediction`.

        It lets through every visible image that fits; whether a glob does, `ids` decides.
        """
        parts = [_OPERATORS[each.operator](_column(each), each.value) for each in self.clauses]
        return and_(Image.missing_since.is_(None), *parts)

    @property
    def globs(self) -> list[Clause]:
        """The clauses that `ids` decides."""
        return [each for each in self.clauses if each.operator == "~"]

    @property
    def glob_columns(self) -> list[Any]:
        """The columns whose values `ids` needs after the id, in order, as they are stored."""
        return [type_coerce(_column(each), NullType()) for each in self.globs]

    def ids(self, rows: Iterable[Sequence[Any]]) -> list[int]:
        """Return the ids of those rows, each `(id, *glob_columns)`, whose globs all match."""
        for position, clause in enumerate(self.globs, start=1):
            match = _pattern(str(clause.value)).match
            decode = decode_path if clause.field == "path" else str
            rows = [
                row for row in rows if row[position] is not None and match(decode(row[position]))
            ]
        return [row[0] for row in rows]


def with_prediction(query: Query) -> Query:
    """Join images with what the engine says they are, with NULL where it is not convinced."""
    convincing = and_(Prediction.image_id == Image.id, Prediction.unknown.is_(False))
    return (
        query.select_from(Image)
        .outerjoin(Prediction, convincing)
        .outerjoin(Category, Category.id == Prediction.category_id)
    )


def _parse(text: str) -> Clause:
    match = _CLAUSE.fullmatch(text)
    if match is None:
        raise FilterError(
            f"--where {text}",
            "this is not FIELD OPERATOR VALUE",
            "Write for example --where label=chair or --where 'width>=800'",
        )
    field, operator, value = match[1].lower(), match[2], match[3].strip()
    if field in _TEXT:
        if operator not in ("=", "!=", "~"):
            raise FilterError(f"--where {text}", f"{field} is a text", "Use =, != or ~ (a glob)")
        return Clause(field, operator, value)
    if field not in _NUMBER:
        raise FilterError(
            f"--where {text}", f"there is no field {field}", f"Fields are {', '.join(FIELDS)}"
        )
    if operator == "~":
        raise FilterError(f"--where {text}", f"{field} is a number", "Use =, !=, <, <=, > or >=")
    try:
        number = float(value)
        if not math.isfinite(number):
            raise ValueError
        return Clause(field, operator, number)
    except ValueError:
        raise FilterError(
            f"--where {text}", f"{value!r} is not a number", f"{field} takes a number"
        ) from None


def _column(clause: Clause) -> Any:
    return _TEXT.get(clause.field, _NUMBER.get(clause.field))


@lru_cache
def _pattern(glob: str) -> re.Pattern[str]:
    # To fnmatch a bracket begins a set of characters; here it is one.
    return re.compile(fnmatch.translate(glob.replace("[", "[[]")), re.IGNORECASE)


def _like(glob: str) -> str:
    """Return a LIKE pattern that fits at least what the glob does, where ASCII's case is ignored.

    A letter that may differ from its variant by more than that stands for any character.
    """
    return "".join(_LIKE.get(each, each if each.isascii() else "_") for each in glob)
