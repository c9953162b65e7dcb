"""`--filter` on the command line: conditions such as `year>=2019`, read into the dict form of filters."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import click

_CONDITION = re.compile(
    r"\s*(?P<field>[^\s=<>!^:]+)\s*(?P<operator>>=|<=|!=|\^=|==?|>|<)\s*(?P<value>.*?)\s*", re.DOTALL
)
_MEMBERSHIP = re.compile(r"\s*(?P<field>[^\s=<>!^:]+)\s+(?P<not>not\s+)?in\s+(?P<values>.+?)\s*", re.DOTALL)
_EXISTENCE = re.compile(r"\s*(?P<not>!)?exists:\s*(?P<field>\S+)\s*")
_BOUNDS = {">=": "gte", ">": "gt", "<=": "lte", "<": "lt"}
_FORMS = "'year>=2019', 'company=3M', 'year in 2018,2019', 'title^=Annual', 'draft!=true', 'exists:year' or JSON"


def read_conditions(texts: Sequence[str]) -> dict[str, Any] | None:
    """All of these conditions in the dict form; None for none.

    Raises:
        click.BadParameter: one that is none.
    """
    conditions = [read_condition(text) for text in texts]
    if not conditions:
        return None
    return conditions[0] if len(conditions) == 1 else {"and": conditions}


def read_condition(text: str) -> dict[str, Any]:
    """One condition in the dict form. Values stay text, whole numbers aside: the index knows its fields' types.

    Raises:
        click.BadParameter: it is none.
    """
    if text.lstrip().startswith("{"):
        return _from_json(text)
    if match := _EXISTENCE.fullmatch(text):
        return {match["field"]: {"exists": not match["not"]}}
    if match := _CONDITION.fullmatch(text):
        return _comparison(match["field"], match["operator"], match["value"], text)
    if match := _MEMBERSHIP.fullmatch(text):
        values = [_checked(part.strip(), text) for part in _listed(match["values"], text).split(",")]
        return {match["field"]: {"not": values} if match["not"] else values}
    raise _bad(text)


def _comparison(field: str, operator: str, value: str, text: str) -> dict[str, Any]:
    checked = _checked(value, text)
    if operator in _BOUNDS:
        return {field: {_BOUNDS[operator]: checked}}
    if operator == "^=":
        return {field: {"prefix": _unquoted(value)}}
    return {field: {"not": checked} if operator == "!=" else checked}


def _listed(values: str, text: str) -> str:
    """What stands in the brackets of a list, if there are any; they come in pairs."""
    first, last = values[0], values[-1]
    if first not in "[(" and last not in "])":
        return values
    if first + last not in ("[]", "()"):
        raise _bad(text)
    return values[1:-1]


def _from_json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no JSON: {error}", param_hint="--filter") from None
    if not isinstance(found, dict) or not found:
        raise _bad(text)
    return found


def _checked(value: str, text: str) -> str | int:
    """A value that is one: not empty, no second operator, no quotation mark that is never closed."""
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    if not value or (value[0] in "=<>!~^'\"" and not is_quoted):
        raise _bad(text)
    return _value(value)


def _value(text: str) -> str | int:
    return int(text) if re.fullmatch(r"-?(0|[1-9]\d{0,17})", text) else _unquoted(text)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _bad(text: str) -> click.BadParameter:
    return click.BadParameter(f"{text!r} is no condition; write {_FORMS}", param_hint="--filter")
