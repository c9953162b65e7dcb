"""The steps of a run by pyrlm-runtime's kinds, made from our events."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias

from rlm_search.compat.pyrlm_runtime.adapters import Usage
from rlm_search.trace.events import (
    AnyEvent,
    CellFinished,
    CellStarted,
    HistoryShortened,
    ModelCalled,
    RunFinished,
    RunStarted,
)

Kind: TypeAlias = Literal[
    "root_call", "repl_exec", "subcall", "recursive_subcall", "sub_root_call", "sub_repl_exec", "sub_subcall",
    "baseline_call", "compaction",
]  # fmt: skip


@dataclass
class TraceStep:
    """One step: a call of a model, a cell, or a run that another started."""

    step_id: int
    kind: Kind
    depth: int
    prompt_summary: str | None = None
    code: str | None = None
    output: str | None = None
    stdout: str | None = None
    error: str | None = None
    usage: Usage | None = None
    model: str | None = None
    elapsed: float | None = None
    cache_hit: bool = False


@dataclass
class Trace:
    """All steps of a run in order, those of sub-runs among them."""

    steps: list[TraceStep] = field(default_factory=list)

    def add(self, step: TraceStep) -> None:
        """Put a step at the end."""
        self.steps.append(step)

    def to_json(self) -> str:
        """As JSON, which `from_json` reads."""
        return json.dumps([asdict(step) for step in self.steps], ensure_ascii=True, indent=2)

    @classmethod
    def from_json(cls, raw: str) -> Trace:
        """From what `to_json` gave; fields of later versions are left out."""
        return cls([_step_of(item) for item in json.loads(raw)])


class StepRecorder:
    """A listener to a run that adds a step to its trace for each event that is one.

    Args:
        on_step: is given each step.
        is_direct: the run is one call without a loop, a `baseline_call`.
    """

    def __init__(self, on_step: Callable[[TraceStep], None] | None = None, *, is_direct: bool = False) -> None:
        self.trace = Trace()
        self._on_step, self._is_direct = on_step, is_direct
        self._code: dict[str, str] = {}
        self._begun: dict[str, RunStarted] = {}

    def __call__(self, event: AnyEvent) -> None:
        """Take in one event."""
        step = self._step(event, len(self.trace.steps) + 1)
        if step is None:
            return
        self.trace.add(step)
        if self._on_step is not None:
            self._on_step(step)

    def _step(self, event: AnyEvent, step_id: int) -> TraceStep | None:
        match event:
            case RunStarted():
                self._begun[event.run_id] = event
            case CellStarted():
                self._code[event.run_id] = event.code
            case ModelCalled():
                return self._call(event, step_id)
            case CellFinished():
                return TraceStep(
                    step_id,
                    "sub_repl_exec" if event.depth else "repl_exec",
                    event.depth,
                    code=self._code.pop(event.run_id, None),
                    stdout=event.stdout,
                    error=event.error or None,
                    elapsed=event.seconds,
                )
            case HistoryShortened() if event.mode == "compact":
                return TraceStep(step_id, "compaction", event.depth, output=event.summary)
            case RunFinished() if event.depth:
                begun = self._begun[event.run_id]
                return TraceStep(
                    step_id,
                    "recursive_subcall",
                    event.depth,
                    prompt_summary=begun.question,
                    output=event.answer["text"],
                    error=event.answer["reason"] or None,
                    model=begun.model,
                    elapsed=event.answer["seconds"],
                )
            case _:
                pass
        return None

    def _call(self, event: ModelCalled, step_id: int) -> TraceStep:
        of_root: Kind = "baseline_call" if self._is_direct else "sub_root_call" if event.depth else "root_call"
        of_sub: Kind = "sub_subcall" if event.depth else "subcall"
        return TraceStep(
            step_id,
            of_root if event.tier == "root" else of_sub,
            event.depth,
            prompt_summary=event.prompt,
            output=event.text,
            error=event.error or None,
            usage=Usage(event.input_tokens, event.output_tokens, event.input_tokens + event.output_tokens),
            model=event.model,
            elapsed=event.seconds,
            cache_hit=event.cached,
        )


def _step_of(item: dict[str, object]) -> TraceStep:
    known = {name: item[name] for name in TraceStep.__dataclass_fields__ if name in item}
    usage = known.pop("usage", None)
    return TraceStep(**known, usage=Usage.from_dict(usage) if isinstance(usage, dict) else None)  # type: ignore[arg-type]
