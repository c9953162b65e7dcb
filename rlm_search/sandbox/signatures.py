"""Signatures as data: described by the host, rebuilt in the worker, printed alike by both."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

_EMPTY = inspect.Parameter.empty


class _Written:
    """A default or an annotation as text, which prints without quotes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def describe(signature: inspect.Signature) -> dict[str, Any]:
    """The signature as plain data; annotations and defaults as they are written."""
    return {
        "returns": _annotation(signature.return_annotation),
        "parameters": [
            {
                "name": p.name,
                "kind": p.kind.name,
                "default": "" if p.default is _EMPTY else repr(p.default),
                "annotation": _annotation(p.annotation),
            }
            for p in signature.parameters.values()
        ],
    }


def rebuild(described: Mapping[str, Any]) -> inspect.Signature:
    """A signature that prints as the one that was described."""
    parameters = [
        inspect.Parameter(
            p["name"],
            inspect._ParameterKind[p["kind"]],
            default=_written(p["default"]),
            annotation=_written(p["annotation"]),
        )
        for p in described["parameters"]
    ]
    return inspect.Signature(parameters, return_annotation=_written(described["returns"]))


def _written(text: str) -> Any:
    return _Written(text) if text else _EMPTY


def _annotation(annotation: Any) -> str:
    if annotation is _EMPTY:
        return ""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
