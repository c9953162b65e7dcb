"""What happens in a run, as a closed union of events: the one truth that every view reads.

Each event is a JSON object a line in the trace (`type` names it). `run_id`, `depth` and `parent` place it: a sub-run
has its parent's run id in `parent` and depth + 1. `seq` counts within the trace file, `at` is Unix time in seconds.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

Verdict: TypeAlias = Literal["supported", "unsupported", "unchecked"]
"""What a second look at a claim has come to."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """What all events have in common; filled in by the trace that records them."""

    run_id: str = ""
    parent: str = ""
    depth: int = 0
    seq: int = 0
    at: float = 0.0
    step: int = 0


STAMPS = frozenset({"type", *Event.__struct_fields__})
"""Fields that every event has; the others are what it tells."""


class RunStarted(Event, frozen=True, kw_only=True, tag="run_started"):
    """A run begins."""

    question: str
    model: str
    sub_model: str = ""
    retriever: str = ""
    limits: dict[str, Any] = {}
    version: int = 1


class ModelCalled(Event, frozen=True, kw_only=True, tag="model_called"):
    """A completion came back; `tier` is root or sub. `prompt` is the tail of what was new in the messages.

    `prompt_characters` is how long that was; `error_type` is the class of the error, where there was one.
    `cached`: it came from our cache on disk, at no usage; `cached_tokens` came from the provider's cache of prompts.
    """

    tier: str
    model: str
    prompt: str
    text: str
    finish_reason: str = "stop"
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    cached_tokens: int = 0
    seconds: float = 0.0
    cached: bool = False
    error: str = ""
    error_type: str = ""
    prompt_characters: int = 0


class CellStarted(Event, frozen=True, kw_only=True, tag="cell_started"):
    """The model's code is about to run."""

    code: str


class CellFinished(Event, frozen=True, kw_only=True, tag="cell_finished"):
    """The model's code has run; `stdout` is whole up to the sandbox's cap, `shown` is what the model was told."""

    stdout: str
    shown: str
    error: str = ""
    ended: str = "ok"
    seconds: float = 0.0


class Searched(Event, frozen=True, kw_only=True, tag="searched"):
    """A search ran on the host; `hits` are rows of doc_id, pages, score, start, end."""

    function: str
    query: str = ""
    filters: dict[str, Any] | None = None
    top_k: int = 0
    hits: list[dict[str, Any]] = []
    seconds: float = 0.0
    error: str = ""


class DocumentRead(Event, frozen=True, kw_only=True, tag="document_read"):
    """A document, or a part of it, was read."""

    doc_id: str
    start: int
    end: int
    pages: list[int] = []
    seconds: float = 0.0


class InstructionSeen(Event, frozen=True, kw_only=True, tag="instruction_seen"):
    """What a search or a read returned reads like an instruction to a model: `about` says to do what.

    A mark for those who look at the run; nothing was blocked. `start` and `end` are of the passage, or of the hit that
    it stands in; each passage of a document is marked once in a run.
    """

    doc_id: str
    start: int
    end: int
    about: str
    passage: str


class ToolCalled(Event, frozen=True, kw_only=True, tag="tool_called"):
    """A tool of the caller's own was called; `arguments` is the head of what it was given, `error` what it raised."""

    function: str
    arguments: str = ""
    seconds: float = 0.0
    error: str = ""


class Cited(Event, frozen=True, kw_only=True, tag="cited"):
    """A citation was checked: `marker` if it holds, `reason` if it does not."""

    doc_id: str
    quote: str
    marker: str = ""
    reason: str = ""


class Verified(Event, frozen=True, kw_only=True, tag="verified"):
    """A claim of the answer was shown to a model with its quotes: `reason` says why they do not bear it out."""

    claim: str
    markers: list[str]
    verdict: Verdict
    reason: str = ""


class LimitWarned(Event, frozen=True, kw_only=True, tag="limit_warned"):
    """A limit is nearly spent, and the model was told."""

    kind: str
    used: float
    limit: float


class HistoryShortened(Event, frozen=True, kw_only=True, tag="history_shortened"):
    """The conversation had grown too long: old output was cut, or old turns were left out or summed up.

    `messages` is how many turns went; `summary` is what stands for them now, where `mode` is compact.
    """

    mode: str
    messages: int
    tokens_before: int
    tokens_after: int
    summary: str = ""


class FinishRefused(Event, frozen=True, kw_only=True, tag="finish_refused"):
    """The model wanted to finish and was told why not."""

    reason: str


class RunFinished(Event, frozen=True, kw_only=True, tag="run_finished"):
    """A run is over. `answer` is the `Answer` as JSON."""

    status: str
    answer: dict[str, Any]


AnyEvent: TypeAlias = (
    RunStarted
    | ModelCalled
    | CellStarted
    | CellFinished
    | Searched
    | DocumentRead
    | InstructionSeen
    | ToolCalled
    | Cited
    | Verified
    | LimitWarned
    | HistoryShortened
    | FinishRefused
    | RunFinished
)
