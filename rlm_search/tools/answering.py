"""What a sub-model's reply comes to: an answer, data of a type, or a failure that is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlm_search.errors import ConfigError, ContextTooLong, ModelError, ModelRejected
from rlm_search.run import ToolError
from rlm_search.typed import AnswerType, Misfit, answer_type, has_patterns, json_in

_NO_ANSWERS = frozenset(
    {"", "no_answer", "no answer", "none", "n/a", "na", "null", "unknown", "not stated", "not found", "not available"}
    | {"not mentioned", "not specified", "i don't know", "no answer found"}
)


def is_answer(said: Any) -> bool:
    """Whether a text is an answer, and not word that there is none."""
    return isinstance(said, str) and said.strip().strip("\"'.`").lower() not in _NO_ANSWERS


def failed(reason: str) -> dict[str, str]:
    """A falsy `Failed(reason)` in the session."""
    return {"__type__": "Failed", "reason": reason}


def gathered(results: Sequence[Any]) -> list[Any]:
    """The answers; a prompt that failed is told, unless every one was refused."""
    refused = [error for error in results if isinstance(error, ModelRejected)]
    if results and len(refused) == len(results):
        raise refused[0]  # no prompt's fault: a key, a name, a server that says no to everything
    return [failed(told(result)) if isinstance(result, ModelError) else result for result in results]


def told(error: ModelError) -> str:
    """What went wrong, without its message, which names servers and accounts."""
    if isinstance(error, ContextTooLong):
        return "the prompt is longer than the model reads; split it"
    return "the model refused this prompt" if isinstance(error, ModelRejected) else "the model did not answer"


def schema_type(function: str, schema: dict[str, Any] | None) -> AnswerType | None:
    """What a reply has to be; a ToolError where the schema is none."""
    if has_patterns(schema):
        raise ToolError(f"{function}: a schema may hold no `pattern` here; check the text in Python")
    try:
        return None if schema is None else answer_type(schema)
    except ConfigError as error:
        raise ToolError(f"{function}: {error.message}") from None


def data_in(said: Any, kind: AnswerType | None) -> Any:
    """The data of a reply; a Misfit where it holds none, or none of the type; a failure as it is."""
    if not isinstance(said, str):
        return said
    try:
        data = json_in(said)
        return data if kind is None else kind.make(data)
    except Misfit as misfit:
        return misfit
