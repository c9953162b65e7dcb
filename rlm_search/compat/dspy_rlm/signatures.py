"""Signatures: `context, query: str -> answer: str, years: list[int]`, or a class of fields; the type of an answer."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass
from typing import Any, ClassVar, Literal, Optional, get_type_hints

from rlm_search import typed
from rlm_search.errors import ConfigError
from rlm_search.typed import AnswerType, Misfit

_TYPES: dict[str, Any] = {
    "str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict, "tuple": tuple, "set": set,
    "Any": Any, "List": list, "Dict": dict, "Optional": Optional, "Literal": Literal, "None": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """Marks a field of a class as input or output; `desc` is told to the model."""

    is_output: bool
    desc: str = ""


def InputField(*, desc: str = "", **_: Any) -> Any:  # noqa: N802  # dspy's name
    """What goes in. Arguments that only shape dspy's own prompts are taken."""
    return Field(is_output=False, desc=desc)


def OutputField(*, desc: str = "", **_: Any) -> Any:  # noqa: N802  # dspy's name
    """What comes out."""
    return Field(is_output=True, desc=desc)


@dataclass(frozen=True, slots=True)
class Fields:
    """Names and types of what goes in and what comes out, what is said of them, and of the whole."""

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    instructions: str = ""
    about: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, given: str | Fields | type[Signature]) -> Fields:
        """Read a text, or take the fields of a class. A field without a type is a `str`.

        Raises:
            ConfigError: it is no signature.
        """
        if isinstance(given, Fields):
            return given
        if isinstance(given, type) and issubclass(given, Signature):
            return given.fields
        if not isinstance(given, str):
            raise ConfigError(f"{given!r} is no signature", hint="a text such as `context, query -> answer: str`")
        before, arrow, after = given.partition("->")
        inputs, outputs = _fields(before), _fields(after)
        if not arrow or not outputs:
            raise ConfigError(f"{given!r} is no signature", hint="such as `context, query -> answer: str`")
        return cls(inputs, outputs)

    def answer_type(self) -> AnswerType:
        """All outputs as one answer, by name; of a single one the bare value is taken, too."""
        kinds = {name: typed.answer_type(kind) for name, kind in self.outputs.items()}
        outputs = make_dataclass("Outputs", list(kinds), frozen=True)

        def make(data: Any) -> Any:
            if len(kinds) == 1 and not (isinstance(data, Mapping) and set(data) == set(kinds)):
                data = dict.fromkeys(kinds, data)
            if not isinstance(data, Mapping) or set(data) != set(kinds):
                raise Misfit(f"these fields are wanted, and no others: {', '.join(kinds)}")
            return outputs(**{name: _made(name, kind, self.outputs[name], data[name]) for name, kind in kinds.items()})

        return AnswerType(_schema({name: kind.schema for name, kind in kinds.items()}, self.about), make)


class Signature:
    """Fields as a class: its docstring is what the model is told, its annotations are their types.

    `Signature("question -> answer: bool", "Be strict.")` gives the fields of a text, with instructions.

    Attributes:
        fields: of a class that is made from this one.
    """

    fields: ClassVar[Fields]

    def __new__(cls, signature: str, instructions: str = "") -> Any:
        """The fields of a text."""
        read = Fields.of(signature)
        return Fields(read.inputs, read.outputs, instructions, read.about)

    def __init_subclass__(cls) -> None:
        """Read the fields of a class.

        Raises:
            ConfigError: it has no outputs, or a type that is not to be found.
        """
        super().__init_subclass__()
        marked = {name: mark for base in reversed(cls.__mro__) for name, mark in vars(base).items()}
        marks: dict[str, Field] = {name: mark for name, mark in marked.items() if isinstance(mark, Field)}
        try:
            types = get_type_hints(cls, localns=dict(sys._getframe(1).f_locals))  # types of a function are named there
        except NameError as error:
            raise ConfigError(f"a field of {cls.__name__} has an unknown type: {error}") from None
        inputs, outputs = (
            {name: types.get(name, str) for name, mark in marks.items() if mark.is_output is wanted}
            for wanted in (False, True)
        )
        if not outputs:
            raise ConfigError(f"{cls.__name__} has no output", hint="answer: str = OutputField()")
        about = {name: mark.desc for name, mark in marks.items() if mark.desc}
        cls.fields = Fields(inputs, outputs, (cls.__doc__ or "").strip(), about)


def _made(name: str, kind: AnswerType, wanted: Any, value: Any) -> Any:
    if wanted is str and isinstance(value, int | float | bool):
        value = str(value)
    try:
        return kind.make(value)
    except Misfit as misfit:
        raise Misfit(f"{name}: {misfit}") from None


def _schema(kinds: Mapping[str, Mapping[str, Any]], about: Mapping[str, str]) -> dict[str, Any]:
    """The schemas of fields as one; what they define is defined once, where their references look for it."""
    defined: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for name, schema in kinds.items():
        defined |= schema.get("$defs", {})
        said = {"description": about[name]} if name in about else {}
        properties[name] = {**{key: value for key, value in schema.items() if key != "$defs"}, **said}
    whole = {"type": "object", "properties": properties, "required": list(kinds), "additionalProperties": False}
    return {**whole, "$defs": defined} if defined else whole


def _fields(text: str) -> dict[str, Any]:
    try:
        [function] = ast.parse(f"def signature({text.strip()}): ...").body
    except (SyntaxError, ValueError):
        raise ConfigError(f"{text.strip()!r} are no fields of a signature") from None
    assert isinstance(function, ast.FunctionDef)
    return {
        argument.arg: str if argument.annotation is None else _type(argument.annotation)
        for argument in function.args.args
    }


def _type(node: ast.expr) -> Any:
    match node:
        case ast.Name(id=name) if name in _TYPES:
            return _TYPES[name]
        case ast.Constant(value=value):
            return value
        case ast.Tuple(elts=parts):
            return tuple(_type(part) for part in parts)
        case ast.Subscript(value=outer, slice=inner):
            return _type(outer)[_type(inner)]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _type(left) | _type(right)
        case _:
            raise ConfigError(
                f"{ast.unparse(node)!r} is no type of a field", hint=f"there are {', '.join(sorted(_TYPES))}"
            )
