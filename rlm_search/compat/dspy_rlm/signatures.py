"""A signature such as `context, query: str -> answer: str, years: list[int]`, and the type of an answer to it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Optional

import msgspec

from rlm_search import typed
from rlm_search.errors import ConfigError
from rlm_search.typed import AnswerType

_TYPES: dict[str, Any] = {
    "str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict, "tuple": tuple, "set": set,
    "Any": Any, "List": list, "Dict": dict, "Optional": Optional, "Literal": Literal, "None": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Signature:
    """Names and types of what goes in and what comes out."""

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]

    @classmethod
    def of(cls, text: str) -> Signature:
        """Read it. A field without a type is a `str`.

        Raises:
            ConfigError: it is none.
        """
        before, arrow, after = text.partition("->")
        inputs, outputs = _fields(before), _fields(after)
        if not arrow or not outputs:
            raise ConfigError(f"{text!r} is no signature", hint="such as `context, query -> answer: str`")
        return cls(inputs, outputs)

    def answer_type(self) -> AnswerType:
        """All outputs as one answer, by name; of a single one the bare value is taken, too."""
        struct = msgspec.defstruct("Outputs", list(self.outputs.items()), forbid_unknown_fields=True)
        whole = typed.answer_type(struct)
        names = list(self.outputs)

        def make(data: Any) -> Any:
            if len(names) == 1 and not (isinstance(data, Mapping) and set(data) == set(names)):
                is_text = self.outputs[names[0]] is str and isinstance(data, int | float | bool)
                data = {names[0]: str(data) if is_text else data}
            return whole.make(data)

        return AnswerType(whole.schema, make)


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
