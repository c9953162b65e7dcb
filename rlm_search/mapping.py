"""One question to many texts: the prompt for each, what counts as its answer, and answers kept for the next time."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import Any, TypedDict

from rlm_search.errors import ConfigError
from rlm_search.framing import framed
from rlm_search.typed import AnswerType, Misfit, answer_type, has_patterns

_KEPT = 200_000
_TYPES = {
    "str": "string",
    "string": "string",
    "int": "integer",
    "integer": "integer",
    "float": "number",
    "number": "number",
    "bool": "boolean",
    "boolean": "boolean",
    "list": "array",
    "array": "array",
}
_PYTHON: Mapping[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list}
_RULE = (
    "Answer about this document alone. Reply with nothing but JSON that fits this schema; null where the document "
    "does not say.\n{schema}"
)


class Answers:
    """What was answered, by question and text; safe to use from several threads. The oldest go where it is too much."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        with self._lock:
            return key in self._kept

    def __getitem__(self, key: str) -> Any:
        with self._lock:
            return self._kept[key]

    def __setitem__(self, key: str, value: Any) -> None:
        with self._lock:
            self._kept[key] = value
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of every text.

    Attributes:
        text: the question.
        schema: what an answer is; None for text.
        model: which model is asked; None for the usual one.
        characters: of text that go into one prompt.
    """

    text: str
    schema: AnswerType | None
    model: str | None
    characters: int

    @property
    def rule(self) -> str:
        """How to reply."""
        if self.schema is None:
            return "Answer about this document alone, in one line."
        return _RULE.format(schema=json.dumps(self.schema.schema, ensure_ascii=False))

    def key(self, text: str) -> str:
        """The same for the same question to the same text."""
        asked = json.dumps([self.text, self.rule, self.model, self.characters], ensure_ascii=False)
        return sha256(f"{asked}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()

    def read(self, said: Any) -> Any:
        """The answer in a reply: data that fits, a ValueError that says why not, or a failure as it is."""
        if not isinstance(said, str):
            return said
        if self.schema is None:
            return said.strip()
        try:
            return self.schema.read(said)
        except Misfit as misfit:
            return misfit


def schema_of(schema: Mapping[str, Any] | None) -> AnswerType | None:
    """A JSON schema, or fields with the names of their types: `{"knots": "int", "port": "str"}`, each null if unknown.

    Raises:
        ConfigError: it is neither.
    """
    if not schema:
        return None
    if all(isinstance(kind, str) and kind in _TYPES for kind in schema.values()) and schema.get("type") != "object":
        kinds = {name: _TYPES[kind] for name, kind in schema.items()}
        row: Any = TypedDict("row", {name: _PYTHON[kind] | None for name, kind in kinds.items()})  # type: ignore[misc]
        fields = {name: {"type": [kind, "null"]} for name, kind in kinds.items()}
        told = {"type": "object", "properties": fields, "required": list(fields)}
        return AnswerType(told, answer_type(row).make)
    if has_patterns(schema):
        raise ConfigError("a schema may hold no `pattern` here; check the text in Python")
    if not {"type", "properties", "enum", "anyOf", "oneOf", "allOf", "$ref", "const"} & schema.keys():
        raise ConfigError(f"schema is a JSON schema, or names fields by type ({', '.join(_TYPES)})")
    return answer_type(schema)


def prompt_for(question: Question, part: tuple[int, int, str], about: Mapping[str, Any]) -> str:
    """The question and one part of a text, fenced as data."""
    number, parts, text = part
    title = str(about.get("title") or about.get("source") or about["doc_id"])
    place = f"{number} of {parts}" if parts > 1 else ""
    return f"{question.text}\n\n{question.rule}\n\n{framed('document', text, title=title, part=place)}"


def parts_of(text: str, characters: int) -> list[tuple[int, int, str]]:
    """A text that is too long for one prompt in parts that overlap a little, cut at lines; each with its number."""
    if len(text) <= characters:
        return [(1, 1, text)]
    overlap = min(200, characters // 10)
    parts, start = [], 0
    while start < len(text):
        end = min(start + characters, len(text))
        if end < len(text):
            newline = text.rfind("\n", start + characters // 2, end)
            end = newline + 1 if newline > 0 else end
        parts.append(text[start:end])
        if end == len(text):
            break
        start = end - overlap
    return [(number, len(parts), part) for number, part in enumerate(parts, 1)]


def merging(question: Question, answers: Sequence[Any]) -> str:
    """The prompt that makes one answer of those to the parts of one document."""
    return of_parts(question.text, answers, question.rule)


def of_parts(question: str, answers: Sequence[Any], rule: str = "") -> str:
    """The prompt that makes one answer to a question of those that the parts of a long text were given."""
    said = "\n".join(f"Part {n}: {json.dumps(answer, ensure_ascii=False)}" for n, answer in enumerate(answers, 1))
    return (
        f"A long document was read in parts, and each part was asked:\n{question}\n\nThese are the answers, as "
        f"data:\n{framed('answers', said)}\n\nMake the one answer for the whole document of them. {rule}"
    ).rstrip()
