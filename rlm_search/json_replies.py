"""Replies that are JSON: calls of a tool written as text, and structured replies, as some models write them unasked."""

from __future__ import annotations

import json
import keyword
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_NAMES = ("name", "tool", "tool_name", "function", "action", "recipient_name")
_ARGUMENTS = ("arguments", "parameters", "input", "args", "tool_input", "action_input", "kwargs")
_CALLS = ("tool_calls", "tool_uses", "function_call")
_CODE = ("code", "python", "source", "script", "input")
_INTERPRETERS = frozenset(
    {"python", "repl", "ipython", "interpreter", "code_interpreter", "execute", "exec", "execute_python", "run_python",
     "run_code", "execute_code", "python_repl"}
)  # fmt: skip
_FINISHES = frozenset({"final", "final_answer", "finish", "submit"})
_ANSWERS = ("final_answer", "answer", "text", "value", "result")


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonReply:
    """Code in its order, and an answer; either may be missing, not both."""

    cells: tuple[str, ...] = ()
    answer: str | None = None


class JsonReader:
    """Reads what a text of JSON asks for: calls, and structured replies.

    Calls are `{"name": "python", "arguments": {"code": …}}`, lists of them, OpenAI's `tool_calls`, `final_answer`;
    structured replies `{"code": …}` and `{"is_final": true, "final_answer": …}`, as rlm-loop asks for them.

    Args:
        is_program: whether a text is code, where nothing else says that it is.
        calls_functions: a call of any other name is a call of the function of that name.
    """

    def __init__(self, is_program: Callable[[str], bool], *, calls_functions: bool) -> None:
        self._is_program = is_program
        self._calls_functions = calls_functions

    def read(self, text: str) -> JsonReply | None:
        """What it asks for; None where it is no JSON, or other data."""
        if text.strip()[:1] not in ("{", "["):
            return None
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        found = [self._one(item) for item in (value if isinstance(value, list) else [value])]
        replies = [item for item in found if item is not None]
        return _together(replies) if replies and len(replies) == len(found) else None

    def _one(self, value: Any) -> JsonReply | None:
        if not isinstance(value, dict):
            return None
        for name in _CALLS:
            if name in value:
                calls = value[name] if isinstance(value[name], list) else [value[name]]
                found = [call for call in map(self._one, calls) if call is not None]
                return _together(found) if found else None
        return self._call(value) or self._structured(value)

    def _call(self, value: Mapping[str, Any]) -> JsonReply | None:
        if isinstance(value.get("function"), dict):
            value = value["function"]
        name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), "")
        arguments = _decoded(next((value[key] for key in _ARGUMENTS if key in value), None))
        if not name or arguments is None:
            return None
        if name.lower() in _FINISHES:
            return _finish(arguments)
        if code := self._code(name, arguments):
            return JsonReply(cells=(code,))
        if self._calls_functions and isinstance(arguments, dict) and all(map(_is_name, (name, *arguments))):
            given = ", ".join(f"{key}={argument!r}" for key, argument in arguments.items())
            return JsonReply(cells=(f"print({name}({given}))",))
        return None

    def _code(self, name: str, arguments: Any) -> str:
        """The code that a call is given; what an interpreter is given is code, whatever it looks like."""
        is_run = name.lower() in _INTERPRETERS
        if isinstance(arguments, str):
            return arguments if is_run or self._is_program(arguments) else ""
        if not isinstance(arguments, dict):
            return ""
        given = next((arguments[key] for key in _CODE if isinstance(arguments.get(key), str)), "")
        return given if is_run or self._is_program(given) else ""

    def _structured(self, value: Mapping[str, Any]) -> JsonReply | None:
        code, answer = value.get("code"), value.get("final_answer")
        said = _as_text(answer) if value.get("is_final") and answer is not None else None
        if isinstance(code, str) and self._is_program(code):
            return JsonReply(cells=(code,), answer=said)
        return None if said is None else JsonReply(answer=said)


def _together(found: Sequence[JsonReply]) -> JsonReply:
    answers = [item.answer for item in found if item.answer is not None]
    return JsonReply(cells=tuple(cell for item in found for cell in item.cells), answer=answers[0] if answers else None)


def _finish(arguments: Any) -> JsonReply | None:
    given = arguments
    if isinstance(arguments, dict):
        given = next((arguments[key] for key in _ANSWERS if key in arguments), None)
    return None if given is None else JsonReply(answer=_as_text(given))


def _decoded(arguments: Any) -> Any:
    """Arguments as data: OpenAI's are JSON in a string."""
    if not isinstance(arguments, str):
        return arguments
    try:
        decoded = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    return decoded if isinstance(decoded, dict) else arguments


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
