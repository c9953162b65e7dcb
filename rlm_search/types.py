"""The values and seams of a run: messages, completions, usage, limits, citations, answers; Model and Sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

Role: TypeAlias = Literal["system", "user", "assistant"]
MIN_TOKENS = 50
"""Of a limit of tokens: no call fits into less."""
Status: TypeAlias = Literal["answered", "not_found", "out_of_budget", "failed"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with a model."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a call, a tier or a run has used. A cache hit uses nothing. `cost_usd` is None where no price is known.

    `input_tokens` are all of them; of those, `cached_tokens` were read from the provider's own cache of prompts and
    `cache_write_tokens` written to it, which costs less and more. `estimated`: a provider gave no counts, and some
    were reckoned from the length of the text.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    calls: int = 0
    cost_usd: float | None = None
    estimated: bool = False
    cached_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        costs = [u.cost_usd for u in (self, other) if u.cost_usd is not None]
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            calls=self.calls + other.calls,
            cost_usd=sum(costs) if costs else None,
            estimated=self.estimated or other.estimated,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """How a completion is asked for. `on_text` is called with each piece of text as it arrives.

    `deadline`, on the clock of `time.monotonic()`, is when the run must be over: waits and retries end there.
    `may_run_code`: the reply may hold code to run, so that a model set to `native_tools` is offered its one tool.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    on_text: Callable[[str], None] | None = None
    deadline: float | None = None
    may_run_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a model said. `finish_reason`: stop, length, or the provider's own word."""

    text: str
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    finish_reason: str = "stop"


class Model(Protocol):
    """A language model. Safe to call from several threads at once.

    Raises:
        ModelUnavailable: transient.
        ModelRejected: refused for good.
        ContextTooLong: the messages do not fit.
    """

    @property
    def name(self) -> str:
        """How it is called in traces and usage, e.g. `openai:gpt-5-mini`."""
        ...

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        """One completion."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What one cell did. `error` is the short traceback told to the model, "" if it ran through.

    `ended`: "ok", "raised", "timeout" (stopped softly, variables kept), "killed" (stopped hard, variables lost),
    "crashed" (the worker died, variables lost).
    """

    stdout: str = ""
    stdout_length: int = 0
    error: str = ""
    seconds: float = 0.0
    ended: Literal["ok", "raised", "timeout", "killed", "crashed"] = "ok"


class Sandbox(Protocol):
    """Where the model's code runs. One session, one thread at a time.

    Raises:
        SandboxError: it cannot start or is broken; the run fails.
    """

    def start(self, functions: Mapping[str, Callable[..., Any]], variables: Mapping[str, Any] | None = None) -> None:
        """Begin a session in which these host functions and variables exist."""
        ...

    def execute(self, code: str, *, timeout: float) -> Execution:
        """Run one cell; `timeout` in seconds of wall clock, host calls not counted.

        What a host function raises, other than `ToldToModel`, is raised here once the cell has ended.
        """
        ...

    def get(self, name: str) -> Any:
        """A variable as plain data; KeyError if there is none, ValueError if it is not plain data."""
        ...

    def set(self, name: str, value: Any) -> None:
        """Bind a variable to plain data."""
        ...

    def close(self) -> None:
        """End the session; no process is left."""
        ...


def variables_of(sandbox: Sandbox | None) -> Mapping[str, str]:
    """What cells have assigned, each name with what it is; empty where the sandbox cannot tell, or is not there."""
    listing = getattr(sandbox, "variables", None)
    return listing() if callable(listing) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a run may use; None is no limit. `seconds` is wall clock, tokens count input and output.

    `root_tokens` are those of the run's own loop, `sub_tokens` those of all that it delegates: sub-calls, and runs of
    their own. `cost_usd` needs models whose price is known.

    Raises:
        ValueError: a negative limit, or one of tokens that no call fits into.
    """

    steps: int | None = 20
    subcalls: int | None = 200
    depth: int | None = 1
    root_tokens: int | None = 1_000_000
    sub_tokens: int | None = 1_000_000
    total_tokens: int | None = None
    cost_usd: float | None = None
    seconds: float | None = 600.0
    searches: int | None = 500

    def __post_init__(self) -> None:
        for name, value in ((name, getattr(self, name)) for name in self.__slots__):
            if value is not None and value < 0:
                raise ValueError(f"`{name}` is {value}: a limit is not negative; None is no limit")
            if value is not None and name.endswith("_tokens") and value < MIN_TOKENS:
                raise ValueError(f"`{name}` is {value}, which no call fits into: at least {MIN_TOKENS}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A quote that the host found in a document: `document.text[start:end]`, on these pages.

    `marker` is how the answer refers to it, e.g. `[3]`; `quote` is the document's own wording. `also` are ids of other
    documents that say the same, word for word, among what the run was given.
    """

    marker: str
    doc_id: str
    start: int
    end: int
    pages: tuple[int, ...]
    quote: str
    source: str
    title: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A sentence of an answer that its citations do not bear out: `answer.text[start:end]`.

    `kind`: it has no citation (`uncited`), its quotes do not say it (`unsupported`, with the `reason` of the model that
    took the second look), or nobody could take that look (`unchecked`).
    """

    kind: Literal["uncited", "unsupported", "unchecked"]
    start: int
    end: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRecord:
    """One search of a run: which function, with what, and how many results it gave."""

    function: str
    query: str
    filters: Mapping[str, Any] | None
    hits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a run came to. `text` holds only markers of `citations`; `reason` says why where status is no answer.

    `usage` is by tier, `usage_by_model` by tier and model; `cost_usd` is of all, None where no price is known.
    `doubts` are sentences without support, where citations were required or a second look was taken.
    """

    text: str
    status: Status
    reason: str = ""
    citations: tuple[Citation, ...] = ()
    rejected: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    usage: Mapping[str, Usage] = field(default_factory=dict)
    usage_by_model: Mapping[str, Mapping[str, Usage]] = field(default_factory=dict)
    cost_usd: float | None = None
    searches: tuple[SearchRecord, ...] = ()
    steps: int = 0
    seconds: float = 0.0
    run_id: str = ""
    value: Any = None
