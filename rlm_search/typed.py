"""Typed answers: a pydantic model, a dataclass or another type, or a JSON schema that the answer has to fit."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from retrievers import plugins
from rlm_search.errors import ConfigError

_SHOWN = 1_000
_ADVERT = re.compile(r"\n *For further information visit \S+")
"""What pydantic puts behind each problem."""

_PROBLEMS = 5
_STARTS = 50


class Misfit(ValueError):
    """An answer is not of the type; the message says where and why."""


@dataclass(frozen=True, slots=True)
class AnswerType:
    """What an answer has to be.

    Attributes:
        schema: as JSON schema, which the model is shown.
        make: turns plain data into the value that the caller gets; raises Misfit.
    """

    schema: Mapping[str, Any]
    make: Callable[[Any], Any]

    def read(self, given: Any) -> Any:
        """The value of what a finish gave: data, or text that is JSON (in a fence, too), or a plain string.

        Raises:
            Misfit: it is not of the type.
        """
        if not isinstance(given, str):
            return self.make(given)
        try:
            data = json.loads(_unfenced(given))
        except ValueError:
            return self.make(given)
        try:
            return self.make(data)
        except Misfit:
            if self.schema.get("type") == "string":
                return self.make(given)  # a string that happens to be JSON
            raise


def answer_type(kind: Any) -> AnswerType:
    """What `RLM.run(answer_type=…)` takes: a JSON schema as a dict, or a type that msgspec or pydantic knows.

    Raises:
        ConfigError: it is none of them.
    """
    if isinstance(kind, AnswerType):
        return kind
    if isinstance(kind, Mapping):
        return _of_schema(kind)
    if hasattr(kind, "model_json_schema") and hasattr(kind, "model_validate"):
        return AnswerType(kind.model_json_schema(), lambda data: _made(kind.model_validate, data))
    try:
        schema = msgspec.json.schema(kind)
    except TypeError as error:
        if (found := _of_pydantic(kind)) is not None:
            return found
        raise ConfigError(f"`answer_type` cannot be {kind!r}: {error}", hint="a JSON schema, a model, a type") from None
    return AnswerType(schema, lambda data: _made(lambda given: msgspec.convert(given, kind), data))


def json_in(text: str) -> Any:
    """The JSON of a reply: all of it, what a fence holds, or the first object or list that stands in it.

    Raises:
        Misfit: there is none.
    """
    unfenced = _unfenced(text)
    starts = (0, *(match.start() for match in re.finditer(r"[\[{]", unfenced)))
    for start in starts[:_STARTS]:
        try:
            return json.JSONDecoder().raw_decode(unfenced[start:].lstrip())[0] if start else json.loads(unfenced)
        except (ValueError, RecursionError):
            continue
    raise Misfit(f"this is no JSON: {_cut(text.strip(), 200)}")


def plain(value: Any) -> Any:
    """The value of a typed answer as plain data, for traces and JSON."""
    return msgspec.to_builtins(value, enc_hook=_dumped)


def _dumped(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise NotImplementedError(f"a {type(value).__name__} is no plain data")


def _of_pydantic(kind: Any) -> AnswerType | None:
    """A type with pydantic models in it, such as a list of them; None where it is none."""
    pydantic = sys.modules.get("pydantic")  # whoever has such a type has loaded it
    if pydantic is None or inspect.isroutine(kind):
        return None
    try:
        adapter = pydantic.TypeAdapter(kind)
        return AnswerType(adapter.json_schema(), lambda data: _made(adapter.validate_python, data))
    except pydantic.errors.PydanticUserError:
        return None


def _of_schema(schema: Mapping[str, Any]) -> AnswerType:
    """By jsonschema, which is given nothing to fetch: a reference leads within the schema, or nowhere."""
    jsonschema = plugins.require("jsonschema", extra="schemas", purpose="an answer that fits a JSON schema")
    referencing = plugins.require("referencing", extra="schemas", purpose="an answer that fits a JSON schema")
    given = dict(schema)
    validator = jsonschema.validators.validator_for(given, default=jsonschema.Draft202012Validator)
    try:
        validator.check_schema(given)
        checking = validator(given, registry=referencing.Registry())
    except (jsonschema.SchemaError, RecursionError) as error:
        raise ConfigError(f"the JSON schema of the answer is none: {_cut(str(error).splitlines()[0], 200)}") from None

    def make(data: Any) -> Any:
        try:
            problems = [f"{e.json_path}: {_cut(e.message, 200)}" for e in _first(checking.iter_errors(data))]
        except (referencing.exceptions.Unresolvable, re.error, RecursionError) as error:
            raise Misfit(f"the schema cannot be followed: {_cut(str(error), 200)}") from None
        if problems:
            raise Misfit("; ".join(problems))
        return data

    return AnswerType(schema, make)


def has_patterns(schema: Any) -> bool:
    """Whether a JSON schema holds regular expressions, which can take forever: not to be believed from a model."""
    if isinstance(schema, list):
        return any(map(has_patterns, schema))
    if not isinstance(schema, Mapping):
        return False
    return (
        isinstance(schema.get("pattern"), str)
        or "patternProperties" in schema
        or any(map(has_patterns, schema.values()))
    )


def _first(errors: Any) -> list[Any]:
    return [error for _, error in zip(range(_PROBLEMS), errors, strict=False)]


def _made(make: Callable[[Any], Any], data: Any) -> Any:
    try:
        return make(data)
    except (msgspec.ValidationError, ValueError) as error:  # pydantic's errors are ValueErrors
        raise Misfit(_cut(_ADVERT.sub("", str(error)), _SHOWN)) from None


def _unfenced(text: str) -> str:
    fenced = re.search(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return fenced[1] if fenced else text


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
