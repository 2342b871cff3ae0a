"""`--where` clauses: what a person types, the SQL it becomes, and what is left to Python.

`=` and `!=` compare texts exactly, `~` is a glob that ignores case: `*` stands for any characters
and `?` for one, and two letters are the same where they differ in case alone (`Ä` and `ä`, `Σ` and
`ς`, `ẞ` and `ß`), but `ß` is not `ss`. Databases know other rules, if any beyond ASCII, each its
own. So SQL lets through what may match, and Python, whose rule is the same for all, decides.

`text~` asks for words in path or label, by the rule of `words.py`; who decides is as for a glob.

Texts are the same however Unicode writes them: `é` as one character, or as `e` and an accent (NFC
and NFD). Labels are composed where they are made; paths stay as the file system has them.
"""

from __future__ import annotations

import fnmatch
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, and_, not_, or_, type_coerce
from sqlalchemy.types import NullType

from index.catalog.paths import PathCodec
from index.catalog.sql.path_conditions import like
from index.catalog.sql.schema import Category, Image, Prediction, Query
from index.catalog.words import has_words, words_of
from index.errors import FilterError
from index.names import composed, decoded, suggestion

TEXT_FIELDS: dict[str, Any] = {
    "label": Image.label,
    "category": Category.name,
    "path": Image.path,
    "format": Image.format,
}
NUMBER_FIELDS: dict[str, Any] = {
    "width": Image.width,
    "height": Image.height,
    "size": Image.size,
    "probability": Prediction.probability,
}
# Path and label together: `text~red sofa`.
TEXT = "text"
_OPERATORS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": lambda column, value: column.in_(_written(value)),
    "!=": lambda column, value: or_(column.not_in(_written(value)), column.is_(None)),
    "<=": lambda column, value: column <= value,
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    ">": lambda column, value: column > value,
    "~": lambda column, value: column.ilike(_like(value), escape="\\"),
}
# Any letter but an ASCII one may be stored as several characters, so `%` stands for it. `_` also
# stands for those ASCII characters that others are a case variant or another form of: İ and ı, the
# Kelvin sign, the long s, the Greek question mark, the Greek grave accent.
_LIKE = {"*": "%", "?": "_%", "\\": r"\\", "%": r"\%", "_": r"\_"} | dict.fromkeys("iksIKS;`", "_")
_CLAUSE = re.compile(r"\s*([A-Za-z_]+)\s*(<=|>=|!=|=|<|>|~)(.*)", re.DOTALL)
FIELDS = (*TEXT_FIELDS, TEXT, *NUMBER_FIELDS)
_EXAMPLES = {"width": 800, "height": 600, "size": 1000000, "probability": 0.5}


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition on an image: `label=chair`, `width>=800`, `path~*/2024/*`, `text~sofa`."""

    field: str
    operator: str
    value: str | float

    def __str__(self) -> str:
        value = self.value if isinstance(self.value, str) else f"{self.value:.15g}"
        return f"{self.field}{self.operator}{value}"


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
        return cls((Clause("category", "=", composed(decoded(name))),))

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Filter:
        """Read `--where` clauses.

        Raises
        ------
        FilterError
            A clause that is not FIELD OPERATOR VALUE, an unknown field, not a number.
        """
        return cls(tuple(_parse(text) for text in texts))

    def sql(self, paths: PathCodec) -> ColumnElement[bool]:
        """Return a condition over the tables of `with_prediction`.

        It lets through every visible image that fits; whether a glob or words do, `ids` decides.
        """
        parts = [_condition(each, paths) for each in self.clauses]
        return and_(Image.missing_since.is_(None), *parts)

    @property
    def globs(self) -> list[Clause]:
        """The clauses that `ids` decides."""
        return [each for each in self.clauses if each.operator == "~"]

    @property
    def glob_columns(self) -> list[Any]:
        """The columns whose values `ids` needs after the id, in order, as they are stored."""
        columns = (column for each in self.globs for column in _columns(each))
        return [type_coerce(column, NullType()) for column in columns]

    def ids(self, rows: Iterable[Sequence[Any]], paths: PathCodec) -> list[int]:
        """Return the ids of those rows, each `(id, *glob_columns)`, whose globs all match."""
        first = 1
        for clause in self.globs:
            matches, columns = _matcher(clause), _columns(clause)
            decoders = [paths.decode if column is Image.path else str for column in columns]
            end = first + len(columns)
            rows = [row for row in rows if matches(_texts(row[first:end], decoders))]
            first = end
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
    if field == TEXT:
        return _words_clause(text, operator, value)
    if field in TEXT_FIELDS:
        if operator not in ("=", "!=", "~"):
            raise FilterError(f"--where {text}", f"{field} is a text", "Use =, != or ~ (a glob)")
        # Bytes of a path that are no text are compared as they are.
        return Clause(field, operator, composed(value if field == "path" else decoded(value)))
    if field not in NUMBER_FIELDS:
        raise FilterError(
            f"--where {text}",
            f"there is no field {field}",
            suggestion(field, FIELDS, "Fields are", "fields"),
        )
    if operator == "~":
        raise FilterError(f"--where {text}", f"{field} is a number", "Use =, !=, <, <=, > or >=")
    return Clause(field, operator, _number(text, field, value))


def _words_clause(text: str, operator: str, value: str) -> Clause:
    """Return a clause that asks for words in path and label."""
    if operator != "~":
        reason = f"{TEXT} is path and label together"
        raise FilterError(f"--where {text}", reason, f"Use ~: --where '{TEXT}~red sofa'")
    words = composed(decoded(value))
    if not words_of(words):
        reason = "there is no word in it"
        raise FilterError(f"--where {text}", reason, f"Write for example --where '{TEXT}~red sofa'")
    return Clause(TEXT, operator, words)


def _number(text: str, field: str, value: str) -> float:
    """Return the number that a clause compares a field with."""
    example = f"write for example --where '{field}>={_EXAMPLES[field]}'"
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        reason = f"{value!r} is not a number"
        raise FilterError(f"--where {text}", reason, f"{field} takes a number: {example}")
    if number < 0 or (field == "probability" and number > 1):
        reason = f"no image has a {field} of {value}"
        range_ = "goes from 0 to 1" if field == "probability" else "is 0 or more"
        raise FilterError(f"--where {text}", reason, f"{field} {range_}: {example}")
    return number


def _condition(clause: Clause, paths: PathCodec) -> ColumnElement[bool]:
    if clause.field == TEXT:
        patterns = [f"%{_like(word)}%" for word in words_of(str(clause.value))]
        return and_(
            *(
                or_(Image.label.ilike(pattern, escape="\\"), like(paths, pattern))
                for pattern in patterns
            )
        )
    if clause.field != "path":
        return _OPERATORS[clause.operator](_column(clause), clause.value)
    value = str(clause.value)
    if clause.operator == "~":
        return like(paths, _like(value))
    one_of = Image.path.in_(paths.spellings(value))
    return one_of if clause.operator == "=" else not_(one_of)


def _columns(clause: Clause) -> list[Any]:
    """Return the columns whose values decide on a clause in Python."""
    return [Image.path, Image.label] if clause.field == TEXT else [_column(clause)]


def _matcher(clause: Clause) -> Callable[[list[str]], bool]:
    """Return what says whether the values of `_columns` match; one that is NULL is left out."""
    value = str(clause.value)
    if clause.field == TEXT:
        return lambda texts: has_words(value, texts)
    return lambda texts: any(glob_matches(value, text) for text in texts)


def _texts(values: Sequence[Any], decoders: Sequence[Callable[[str], str]]) -> list[str]:
    pairs = zip(values, decoders, strict=True)
    return [decode(value) for value, decode in pairs if value is not None]


def _column(clause: Clause) -> Any:
    return TEXT_FIELDS.get(clause.field, NUMBER_FIELDS.get(clause.field))


def _written(value: str | float) -> list[str | float]:
    """Return the ways in which a value may be stored."""
    if isinstance(value, float) or value.isascii():
        return [value]
    forms = (unicodedata.normalize(form, value) for form in ("NFC", "NFD"))
    return list(dict.fromkeys((value, *forms)))


def glob_matches(glob: str, text: str) -> bool:
    """Say whether a glob fits the whole of a text, however Unicode writes either."""
    return _pattern(composed(glob)).match(composed(text)) is not None


@lru_cache
def _pattern(glob: str) -> re.Pattern[str]:
    # To fnmatch a bracket begins a set of characters; here it is one.
    return re.compile(fnmatch.translate(glob.replace("[", "[[]")), re.IGNORECASE)


def _like(glob: str) -> str:
    """Return a LIKE pattern that fits at least what the glob does, where ASCII's case is ignored.

    A letter that may differ from its variant by more than that stands for any character.
    """
    return "".join(_LIKE.get(each, each if each.isascii() else "%") for each in glob)
