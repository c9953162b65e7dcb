"""Passages of documents that read like instructions to a model: recognised by a few patterns, and marked in the trace.

Marks are for people who look at a run afterwards. Nothing is blocked, changed or told to the model by them: an honest
document may quote an attack, and an attack may be put in other words. What keeps an obedient model from doing harm is
the host (docs/security.md).
"""

# ruff: noqa: RUF001 -- apostrophes as they are set

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MOST = 20
"""Marks of one text."""
_AROUND = 60
"""Characters shown on each side."""
_BEFORE, _BEHIND = 120, 160
"""How far from one of its anchors a pattern is looked for: no regular expression walks through a whole document."""
_OBJECTS = r"(?:instructions?|prompts?|rules|directions|guidelines|anweisungen|vorgaben|consignes|instrucciones|reglas)"


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a passage wants, and how it is found: near a needle, in lower case, or the first of one of the others."""

    about: str
    needles: tuple[bytes, ...]
    others: tuple[str, ...]
    expression: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Mark:
    """A passage: `said` stands at `start`, `passage` on one line with some of what stands around it."""

    about: str
    start: int
    said: str
    passage: str


def _pattern(about: str, anchors: tuple[str, ...], expression: str, flags: re.RegexFlag = re.IGNORECASE) -> Pattern:
    needles = tuple(anchor.encode("ascii") for anchor in anchors if anchor.isascii())
    others = tuple(anchor for anchor in anchors if not anchor.isascii())
    return Pattern(about, needles, others, re.compile(expression, flags))


PATTERNS = (
    _pattern(
        "set aside its instructions",
        ("ignor", "disregard", "forget", "override", "vergiss", "missachte", "oublie", "olvida"),
        rf"\b(?:ignor(?:e[zr]?|iere?n?|a)|disregard|forget|override|vergiss|missachte|oublie[zr]?|olvida)\b"
        rf"(?:[^\S\n]+[\w,'’-]+){{0,6}}?[^\S\n]+{_OBJECTS}\b",
    ),
    _pattern(
        "be somebody else",
        ("you are no", "pretend t"),
        r"\b(?:you are (?:now|no longer)|pretend (?:to be|that you are))\b(?:[^\S\n]+[\w'’-]+){0,4}?[^\S\n]+"
        r"(?:assistant|ai|model|mode|chatbot|agent|bot)\b",
    ),
    _pattern(
        "pass for the system",
        (
            "<|",
            "inst]",
            "sys>",
            "system>",
            "assistant>",
            "system notice",
            "system mes",
            "system prompt",
            "system over",
            "developer mes",
            "developer prompt",
        ),
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext)\|>|\[/?INST\]|<</?SYS>>|</?(?:system|assistant)>"
        r"|\b(?:system|developer) (?:notice|message|prompt|override)\b",
    ),
    _pattern(
        "pass for the runtime",
        (
            "final(",
            "final:",
            "final_var",
            "final (",
            "</output",
            "</error",
            "</document",
            "</text",
            "_call",
            "call final",
        ),
        r"^[ \t]*FINAL(?:_VAR)?[ \t]*[(:]|\b[Cc]all FINAL\b|</(?:output|error|document|text)>"
        r"|<(?:tool|function)_calls?>",
        re.MULTILINE,
    ),
    _pattern(
        "give away secrets",
        (" api", "password", "credential", "environ", "system prompt", "secret"),
        r"\b(?:print|reveal|show|send|output|repeat|leak|include|report|disclose)\b(?:[^\S\n]+[\w,'’-]+){0,5}?[^\S\n]+"
        r"(?:api[ _-]?keys?|passwords?|credentials|environment variables|system prompt|secret keys?|every secret)\b"
        r"|/proc/\S*environ\b|\bos\.environ\b",
    ),
    _pattern(
        "fetch or send something",
        ("http://", "https://"),
        r"\b(?:fetch|visit|open|load|post|send|call|request|curl)\b[^\n]{0,40}\bhttps?://\S+[?&]\w+="
        r"|!\[[^\]\n]*\]\(https?://[^)\n]*[?&]\w+=",
    ),
    _pattern(
        "name functions of the session",
        ("es_", "lm_query", "llm_batch", "final_var", "show_vars"),
        r"\b(?:es_(?:search|vector_search|hybrid_search|get|read|grep|scan|raw|count)|llm_query|llm_batch|rlm_query"
        r"|FINAL_VAR|SHOW_VARS)\b",
    ),
    _pattern(
        "dictate the answer",
        (
            "correct answer",
            "answer must",
            "answer should",
            "answer has",
            "reply must",
            "reply should",
            "response must",
            "response should",
            "nothing else",
            "only with",
        ),
        r"\b(?:the correct answer is|(?:every|your|the) (?:answer|reply|response) (?:must|should|has to) "
        r"(?:be|end|begin|start|contain|say)|(?:say|reply|answer|respond with) nothing else"
        r"|(?:reply|respond|answer) only with)\b",
    ),
    _pattern(
        "stop it from looking",
        (" search", " cit"),
        r"\b(?:do not|don['’]t|never|stop) (?:search(?:ing)?|cit(?:e|ing))\b|\bthe cite function\b",
    ),
    _pattern(
        "keep something from the user",
        (
            "t tell",
            "r tell",
            "t inform ",
            "r inform ",
            "t mention",
            "r mention",
            "t reveal",
            "r reveal",
            "without tell",
            "without inform",
        ),
        r"\b(?:do not|don['’]t|never|without) (?:tell|inform|mention|reveal|telling|informing)\b[^.\n]{0,40}\buser\b",
    ),
    _pattern(
        "address a model",
        (" ai:", " ai,", " ai!", "llm", "language model", "assistant", "chatbot", "gpt", "claude", "tell the model"),
        r"\b(?:attention|note|instructions?|message|dear)[ \t]*(?:to|for)?[ \t]*:?[ \t]*(?:the |any |all )?"
        r"(?:ai|llm|language model|ai assistant|chatbot|gpt|claude)s?\b[ \t]*[:,!]"
        r"|\btell the (?:model|assistant|ai|llm)\b",
    ),
    _pattern("hide from readers", ("\u202d", "\u202e", "\U000e0020"), "[\u202d\u202e\U000e0020-\U000e007f]+"),
)
"""What is looked for, in English and, for the first, German, French and Spanish."""


def marks(text: str) -> Iterator[Mark]:
    """The passages of a text that read like instructions, pattern by pattern; at most twenty."""
    letters, found = _letters(text), 0
    for pattern in PATTERNS:
        seen: set[int] = set()
        for position in _places(text, letters, pattern):
            for match in pattern.expression.finditer(text, max(position - _BEFORE, 0), position + _BEHIND):
                if match.start() in seen:
                    continue
                seen.add(match.start())
                around = text[max(match.start() - _AROUND, 0) : match.end() + _AROUND]
                yield Mark(pattern.about, match.start(), match[0], " ".join(around.split()))
                found += 1
                if found >= _MOST:
                    return


def _letters(text: str) -> bytes:
    """A byte a character, in lower case: what is looked through fastest."""
    return text.encode("latin-1", "replace").lower()


def _places(text: str, letters: bytes, pattern: Pattern) -> Iterator[int]:
    """Where its anchors stand; of those close together the first."""
    for needle in pattern.needles:
        position = letters.find(needle)
        while position >= 0:
            yield position
            position = letters.find(needle, position + _BEHIND // 2)
    for anchor in pattern.others:
        if (position := text.find(anchor)) >= 0:
            yield position
