"""Filters on document fields: a closed union, its dict form, and `matches`, the reference that engines are held to.

The dict form is what the model writes: a scalar is equality, a list is any-of, and a dict of operators combines
them (all must hold). `and`, `or` and `not` nest.

    {"year": {"gte": 2019, "lt": 2022}, "company": ["3M", "AMD"], "draft": {"not": True}}
    {"or": [{"form": "10-K"}, {"title": {"prefix": "Annual"}}]}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, TypeAlias, assert_never

from retrievers.arguments import whole
from retrievers.errors import FilterError
from retrievers.fields import FieldTypes, Types, comparables, interval, keyword, number
from retrievers.types import FieldType

Scalar: TypeAlias = str | int | float | bool

ORDERED_BY: Final = 1_000
"""Characters of a keyword that a range compares."""


@dataclass(frozen=True, slots=True)
class Eq:
    """The field has this value (a field with several values: one of them is it)."""

    field: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class In:
    """The field has one of these values."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The field lies between bounds; None is no bound. Numbers, dates (ISO 8601 strings) and keywords compare.

    `type` is what values are read as; `resolve` sets it.
    """

    field: str
    gte: Scalar | None = None
    gt: Scalar | None = None
    lte: Scalar | None = None
    lt: Scalar | None = None
    type: FieldType | None = None


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has a value."""

    field: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """The keyword begins with this."""

    field: str
    prefix: str


@dataclass(frozen=True, slots=True)
class And:
    """All of them; an empty one matches everything."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them; an empty one matches nothing."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Everything that the other does not match, documents without the field included."""

    filter: Filter


Leaf: TypeAlias = Eq | In | Range | Exists | Prefix
Filter: TypeAlias = Leaf | And | Or | Not


def all_of(*filters: Filter | None) -> Filter | None:
    """All of those that there are; None where there is none."""
    given = [each for each in filters if each is not None]
    return conjunction(given) if given else None


def conjunction(filters: Sequence[Filter]) -> Filter:
    """All of these: the one itself where there is one."""
    return filters[0] if len(filters) == 1 else And(tuple(filters))


_BOUNDS = ("gte", "gt", "lte", "lt")
_OPERATORS = ("eq", "in", *_BOUNDS, "exists", "prefix", "not")


def parse(filters: Filter | Mapping[str, Any] | None) -> Filter | None:
    """Read the dict form; a filter passes through, and what filters nothing is None.

    Raises:
        FilterError: an unknown operator, or an operator with a value that it cannot have.
    """
    if filters is None or isinstance(filters, Eq | In | Range | Exists | Prefix | And | Or | Not):
        return filters
    if not isinstance(filters, Mapping):
        raise FilterError(f"a filter is a dict, not {_shown(filters)}", hint='write {"year": {"gte": 2019}}')
    clauses = [_clause(str(name), value) for name, value in filters.items()]
    return conjunction(clauses) if clauses else None


def _clause(name: str, value: Any) -> Filter:
    if name in ("and", "or"):
        if not isinstance(value, list | tuple):
            raise FilterError(f"`{name}` takes a list of filters, not {_shown(value)}")
        parts = tuple(parse(part) or And(()) for part in value)
        return And(parts) if name == "and" else Or(parts)
    if name == "not":
        return Not(parse(value) or And(()))
    return _on_field(name, value)


def _on_field(field: str, value: Any) -> Filter:
    if isinstance(value, Mapping):
        return _operators(field, value)
    if isinstance(value, list | tuple | set | frozenset):
        return In(field, tuple(_scalar(field, item) for item in value))
    return Eq(field, _scalar(field, value))


def _operators(field: str, operators: Mapping[str, Any]) -> Filter:
    if not operators:
        raise FilterError(f"field `{field}`: an empty dict says nothing", hint=f"operators: {', '.join(_OPERATORS)}")
    bounds = {name: _scalar(field, operators[name]) for name in _BOUNDS if name in operators}
    clauses: list[Filter] = [_range_of(field, bounds)] if bounds else []
    clauses += [_operator(field, name, value) for name, value in operators.items() if name not in _BOUNDS]
    return conjunction(clauses)


def _range_of(field: str, bounds: Mapping[str, Scalar | None], kind: FieldType | None = None) -> Range:
    gte, gt, lte, lt = (bounds.get(name) for name in _BOUNDS)
    return Range(field=field, gte=gte, gt=gt, lte=lte, lt=lt, type=kind)


def _operator(field: str, name: str, value: Any) -> Filter:
    match name:
        case "eq":
            return Eq(field, _scalar(field, value))
        case "in" if isinstance(value, list | tuple | set | frozenset):
            return _on_field(field, value)
        case "not":
            return Not(_on_field(field, value))
        case "exists" if isinstance(value, bool):
            return Exists(field) if value else Not(Exists(field))
        case "prefix" if isinstance(value, str):
            return Prefix(field, value)
        case "in" | "exists" | "prefix":
            wanted = {"in": "a list", "exists": "true or false", "prefix": "a string"}[name]
            raise FilterError(f"field `{field}`: `{name}` takes {wanted}, not {_shown(value)}")
    raise FilterError(
        f"field `{field}`: unknown operator `{name}`{_did_you_mean(name, _OPERATORS)}",
        hint=f"operators: {', '.join(_OPERATORS)}",
    )


def _scalar(field: str, value: Any) -> Scalar:
    if isinstance(value, str | int | float):
        return value
    hint = f'for documents without it: {{"{field}": {{"exists": false}}}}' if value is None else ""
    raise FilterError(f"field `{field}`: cannot compare with {_shown(value)}", hint=hint)


def resolve(filter: Filter, fields: FieldTypes) -> Filter:
    """The same filter with every value of its field's type, for an engine to translate.

    A string is read as the field's type ("2019" as a number, "true" as a boolean). Numbers become floats. Dates
    become ranges of seconds since 1970 at their precision: equal to `2019` is anywhere in that year. In a field with
    values of several types a value is read as each of them that it can be.

    Raises:
        FilterError: an unknown field, or a value that is of no type that the field has.
    """
    match filter:
        case And(parts):
            return And(tuple(resolve(part, fields) for part in parts))
        case Or(parts):
            return Or(tuple(resolve(part, fields) for part in parts))
        case Not(inner):
            return Not(resolve(inner, fields))
        case Eq() | In() | Range() | Exists() | Prefix():
            return _resolve_leaf(filter, types_in(filter.field, fields))
        case _ as unreachable:
            assert_never(unreachable)


def _resolve_leaf(filter: Leaf, types: Types) -> Filter:
    match filter:
        case Eq(field, value):
            return _one_of(field, (value,), types)
        case In(field, values):
            return _one_of(field, values, types)
        case Range():
            return _between(filter, types)
        case Prefix(field, _) if "keyword" not in types:
            raise FilterError(f"field `{field}` is a {types[0]}: `prefix` is for keywords")
        case Prefix(field, prefix):
            return Prefix(field, whole(prefix))
        case Exists():
            return filter
        case _ as unreachable:
            assert_never(unreachable)


def _one_of(field: str, values: Sequence[Scalar], types: Types) -> Filter:
    for value in values:
        if all(_read(value, kind) is None for kind in types):
            raise _wrong_type(field, value, types[0])
    return _any_of([part for kind in types for part in _equal(field, values, kind)])


def _equal(field: str, values: Sequence[Scalar], kind: FieldType) -> list[Filter]:
    if kind == "date":
        intervals = [bounds for value in values if (bounds := _date_bounds(value))]
        return [Range(field=field, gte=first, lte=last, type=kind) for first, last in intervals]
    read = tuple(reading for value in values if (reading := _read(value, kind)) is not None)
    return [Eq(field, read[0]) if len(read) == 1 else In(field, read)] if read else []


def _any_of(filters: Sequence[Filter]) -> Filter:
    return filters[0] if len(filters) == 1 else Or(tuple(filters))


def _between(given: Range, types: Types) -> Filter:
    """Numbers and dates have an order of their own; by their text values are compared where that is what they are."""
    bounds = {name: getattr(given, name) for name in _BOUNDS if getattr(given, name) is not None}
    if not bounds:
        return Exists(given.field)
    texts = all(isinstance(value, str) for value in bounds.values())
    ordered: list[FieldType] = ["date"] if texts and types[0] == "keyword" else ["number", "date"]
    found = [_range(given.field, bounds, kind) for kind in ordered if kind in types and _fit(bounds, kind)]
    if found:
        return _any_of(found)
    if texts and "keyword" in types:
        return _range(given.field, bounds, "keyword")
    if types == ("boolean",):
        raise FilterError(f"field `{given.field}` is a boolean: it is true or false, and neither is greater")
    wrong = [value for value in bounds.values() if _read(value, types[0]) is None or types[0] == "keyword"]
    raise _wrong_type(given.field, next(iter(wrong), next(iter(bounds.values()))), types[0])


def _fit(bounds: Mapping[str, Scalar], kind: FieldType) -> bool:
    return all(_read(value, kind) is not None for value in bounds.values())


def _range(field: str, bounds: Mapping[str, Scalar], kind: FieldType) -> Range:
    """`gt` and `lte` of a date mean the end of what it names, `gte` and `lt` its beginning."""
    read = {name: ordered(_read(value, kind, name in ("gt", "lte"))) for name, value in bounds.items()}
    return _range_of(field, read, kind)


def _read(value: Scalar, kind: FieldType, end: bool = False) -> Scalar | None:
    """What a value of a filter means in a field of this type, or None; of a date its first instant or its last."""
    match kind:
        case "keyword":
            text = None if isinstance(value, bool | float) else keyword(value)
            return None if text is None else whole(text)
        case "boolean" if isinstance(value, bool):
            return value
        case "boolean" if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        case "number" if not isinstance(value, bool):
            return _number(value)
        case "date":
            bounds = _date_bounds(value)
            return bounds[end] if bounds else None
    return None


def _number(value: str | float) -> float | None:
    try:
        return number(float(value))
    except (ValueError, OverflowError):
        return None


def _date_bounds(value: Scalar) -> tuple[float, float] | None:
    return interval(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None


_EXAMPLES: Mapping[FieldType, str] = {
    "keyword": '"text"',
    "number": "2019",
    "date": '"2019-03-01", "2019-03" or "2019"',
    "boolean": "true",
}


def _wrong_type(field: str, value: Scalar, kind: FieldType) -> FilterError:
    return FilterError(f"field `{field}` is a {kind}, {_shown(value)} is not", hint=f"write {_EXAMPLES[kind]}")


def types_in(field: str, fields: FieldTypes) -> Types:
    """The types of a field, its own first.

    Raises:
        FilterError: there is no such field; the hint lists those that exist.
    """
    if field in fields:
        types = fields[field]
        return (types,) if isinstance(types, str) else types
    listed = ", ".join(sorted(fields))
    raise FilterError(f"no field `{field}`{_did_you_mean(field, fields)}", hint=f"fields: {listed}")


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f", did you mean `{close[0]}`?" if close else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def matches(filter: Filter, values: Mapping[str, Any], fields: FieldTypes) -> bool:
    """Whether a document passes: the reference that engines are held to.

    Args:
        filter: as parsed.
        values: what the document has, as `retrievers.fields.fields_of` tells it.
        fields: every field of the index and its types.

    Raises:
        FilterError: as `resolve`.
    """
    return _holds(resolve(filter, fields), values, fields)


def _holds(resolved: Filter, values: Mapping[str, Any], fields: FieldTypes) -> bool:
    match resolved:
        case And(parts):
            return all(_holds(part, values, fields) for part in parts)
        case Or(parts):
            return any(_holds(part, values, fields) for part in parts)
        case Not(inner):
            return not _holds(inner, values, fields)
        case Exists(field):
            return any(comparables(values.get(field), kind) for kind in types_in(field, fields))
    own = values.get(resolved.field)
    match resolved:
        case Eq(_, value):
            return value in comparables(own, _type_of(value))
        case In(_, wanted):
            return any(value in comparables(own, _type_of(value)) for value in wanted)
        case Range(type=kind):
            return any(within(resolved, ordered(value)) for value in comparables(own, kind or "keyword"))
        case Prefix(_, prefix):
            return any(str(value).startswith(prefix) for value in comparables(own, "keyword"))
        case _ as unreachable:
            assert_never(unreachable)


def _type_of(value: Scalar) -> FieldType:
    """The type of a value in a resolved filter."""
    if isinstance(value, bool):
        return "boolean"
    return "keyword" if isinstance(value, str) else "number"


def ordered(value: Any) -> Any:
    """What a value is ordered by: keywords by their beginnings."""
    return value[:ORDERED_BY] if isinstance(value, str) else value


def within(bounds: Range, value: Any) -> bool:
    """Whether a value lies between the bounds of a resolved range."""
    return (
        (bounds.gte is None or value >= bounds.gte)
        and (bounds.gt is None or value > bounds.gt)
        and (bounds.lte is None or value <= bounds.lte)
        and (bounds.lt is None or value < bounds.lt)
    )
