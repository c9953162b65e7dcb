"""Host functions as the model sees them: described to the worker for its stubs, and checked when they are called."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_search.sandbox import signatures
from rlm_search.sandbox.protocol import BadCall


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFunction:
    """One function that the model may call."""

    name: str
    call: Callable[..., Any]
    signature: inspect.Signature
    hints: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, call: Callable[..., Any]) -> HostFunction:
        """Read a function's signature and annotations; annotations that cannot be resolved are not checked."""
        signature = inspect.signature(call)
        names = getattr(inspect.unwrap(call), "__globals__", {})
        hints = {p.name: _resolved(p.annotation, names) for p in signature.parameters.values()}
        return cls(name=name, call=call, signature=signature, hints=hints)

    def described(self) -> dict[str, Any]:
        """What the worker needs to make a stub of the same signature and docstring."""
        doc = inspect.getdoc(getattr(self.call, "func", self.call)) or ""  # of a partial, what it calls
        return {"name": self.name, "doc": doc, **signatures.describe(self.signature)}

    def _usage(self) -> str:
        return f"{self.name}{signatures.rebuild(signatures.describe(self.signature))}"

    def invoke(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Call it with what the model gave.

        Raises:
            BadCall: names, number or types of the arguments are not those of the signature.
            Exception: whatever the function raises.
        """
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise BadCall(f"{self.name}(): {error}. It is {self._usage()}") from None
        for name, value in bound.arguments.items():
            self._check(self.signature.parameters[name], value)
        return self.call(*bound.args, **bound.kwargs)

    def _check(self, parameter: inspect.Parameter, value: Any) -> None:
        hint = self.hints.get(parameter.name, Any)
        values: Iterable[Any] = (value,)
        if parameter.kind is parameter.VAR_POSITIONAL:
            values = value
        elif parameter.kind is parameter.VAR_KEYWORD:
            values = value.values()
        for item in values:
            if not fits(item, hint):
                raise BadCall(f"{self.name}(): {parameter.name} must be {_words(parameter)}, not {_kind(item)}")


def _resolved(annotation: Any, names: Mapping[str, Any]) -> Any:
    """An annotation as a type; `Any` for none, and for one that names what exists only for type checkers."""
    if annotation is inspect.Parameter.empty:
        return Any
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, globalns=dict(names))["it"]
    except (NameError, TypeError, AttributeError, SyntaxError):
        return Any


def fits(value: Any, hint: Any) -> bool:
    """Whether plain data has the type that is hinted at; other hints than simple types, lists, dicts let all pass."""
    if hint is Any or isinstance(hint, str | typing.TypeVar):
        return True
    if hint is None or hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if origin is typing.Literal:
        return value in inner
    if origin is not None:
        return _fits_container(value, origin, inner)
    if isinstance(hint, type) and hint in (str, bool, list, dict):
        return isinstance(value, hint)
    return True


def _fits_container(value: Any, origin: Any, inner: tuple[Any, ...]) -> bool:
    if not isinstance(origin, type):
        return True
    if issubclass(origin, Mapping):
        return isinstance(value, dict)
    if origin is tuple:
        return isinstance(value, list)
    if issubclass(origin, Iterable):  # list[str], Sequence[str]: a string is a sequence too, and never meant
        return isinstance(value, list) and all(fits(item, inner[0]) for item in value if inner)
    return True


def _kind(value: Any) -> str:
    if isinstance(value, dict) and "doc_id" in value:
        return "dict (a hit or a document: give one of its fields)"
    if isinstance(value, list) and value:
        return f"list of {type(value[0]).__name__}"
    return "None" if value is None else type(value).__name__


def _words(parameter: inspect.Parameter) -> str:
    [described] = signatures.describe(inspect.Signature([parameter]))["parameters"]
    return str(described["annotation"])
