"""`RLM` with pyrlm-runtime's arguments; a run gives a text and a trace."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlm_search import rlm
from rlm_search.compaction import HistoryPolicy
from rlm_search.compat.pyrlm_runtime.adapters import AdaptedModel, ModelAdapter
from rlm_search.compat.pyrlm_runtime.cache import FileCache
from rlm_search.compat.pyrlm_runtime.events import RLMEvent, RLMEventListener
from rlm_search.compat.pyrlm_runtime.policy import Policy, text_of
from rlm_search.compat.pyrlm_runtime.prompts import BASE_SYSTEM_PROMPT, SUBCALL_SYSTEM_PROMPT
from rlm_search.compat.pyrlm_runtime.trace import StepRecorder, Trace, TraceStep
from rlm_search.compat.sessions import named
from rlm_search.context import Context
from rlm_search.errors import ConfigError
from rlm_search.gates import Gates
from rlm_search.models.facts import facts_of
from rlm_search.models.limited import LimitedModel, Quota
from rlm_search.trace.trace import Listener
from rlm_search.types import Limits, Model

_NO_LIMIT = 1_000_000
_FORGETFUL_TOKENS = 2_000


@dataclass
class RLM:
    """Answers questions over a context, a retriever, or both.

    The arguments are those of pyrlm-runtime 1.0.3. What a model is told beyond its rules is `system_prompt` and
    `system_prompt_supplement`; sub-calls are always concurrent, at most `max_concurrent_subcalls` at once; both REPL
    backends are the confined process of this package. See docs/compat.md.
    """

    adapter: ModelAdapter
    policy: Policy | None = None
    cache: FileCache | None = None
    max_output_tokens: int = 4_096
    max_tokens: int | None = None
    system_prompt: str = BASE_SYSTEM_PROMPT
    subcall_system_prompt: str = SUBCALL_SYSTEM_PROMPT
    system_prompt_supplement: str = ""
    require_repl_before_final: bool = False
    require_subcall_before_final: bool = False
    auto_finalize_var: str | None = None
    auto_finalize_min_length: int = 0
    auto_finalize_reject_patterns: Sequence[str] | None = None
    invalid_response_limit: int | None = None
    fallback_code: str | None = None
    repl_error_limit: int | None = None
    loop_collapse_limit: int | None = 5
    subcall_adapter: ModelAdapter | None = None
    recursive_subcalls: bool = False
    max_recursion_depth: int = 2
    parallel_subcalls: bool = False
    max_concurrent_subcalls: int = 10
    subcall_max_output_tokens: int = 1_024
    subcall_max_tokens: int | None = None
    repl_backend: str = "python"
    repl_exec_timeout: float | None = 60.0
    conversation_history: bool = True
    max_history_tokens: int = 0
    compaction: bool = False
    compaction_threshold_tokens: int = 80_000
    min_steps: int = 0
    event_listener: RLMEventListener | None = None
    retriever: Any | None = None
    repl_extensions: Callable[..., Mapping[str, Callable[..., Any]]] | None = None
    doc_tools: Mapping[str, Callable[..., Any]] | None = None
    cache_dir: Path | str | None = None
    compaction_threshold_pct: float | None = None
    compaction_model_context_limit: int | None = None
    # taken, and without effect: they shape log messages, or patch what does not happen here
    compaction_model_name: str | None = None
    compaction_summary_max_tokens: int = 1_024
    auto_finalize_reject_limit: int | None = None
    auto_finalize_reject_feedback: str | None = None
    subcall_guard_steps: int | None = None
    fallback_guard_steps: int | None = None
    depth: int = 0
    recursion_impl: str | None = None
    recursive_subcall_system_prompt: str | None = None
    recursive_subcall_max_steps: int | None = None
    rlm_diagnostics: bool = False
    logger: Any | None = None
    log_truncate_code: int = 2_000
    log_truncate_output: int = 500
    log_truncate_prompt_summary: int = 240

    def run(self, query: str, context: Context | None = None) -> tuple[str, Trace]:
        """Answer a question.

        Raises:
            PolicyError: there is no answer: a limit is spent, or the model came to nothing.
            ModelError, SandboxError, RetrieverError: a part is broken.
        """
        listener, started = self.event_listener, time.monotonic()

        def on_step(step: TraceStep) -> None:
            if listener is not None:
                listener.handle(RLMEvent("step_completed", step=step))

        recorder = StepRecorder(on_step)
        if listener is not None:
            metadata = context.metadata() if context is not None else None
            listener.handle(RLMEvent("run_started", query, context_metadata=metadata, repl_backend=self.repl_backend))
        told = f"{self.system_prompt}\n\n{self.system_prompt_supplement}".strip()
        answer = self.runtime(recorder).run(query, context=context, instructions=told)
        trace = recorder.trace
        if listener is not None:
            tokens = sum(usage.total_tokens for usage in answer.usage.values())
            elapsed = time.monotonic() - started
            listener.handle(
                RLMEvent(
                    "run_finished",
                    output=answer.text,
                    total_steps=len(trace.steps),
                    tokens_used=tokens,
                    elapsed=elapsed,
                )
            )
        return text_of(answer, trace), trace

    def runtime(self, *listeners: Listener) -> rlm.RLM:
        """This configuration as an RLM of ours, whose every run tells the listeners.

        Raises:
            ConfigError: an argument that means nothing.
        """
        if self.repl_backend not in ("python", "monty"):
            raise ConfigError(f"no REPL backend {self.repl_backend!r}", hint="python or monty, which are the same here")
        tools = {**(self.doc_tools or {}), **self._extensions()}
        return rlm.RLM(
            model=AdaptedModel(self.adapter, max_tokens=self.max_tokens or self.max_output_tokens),
            sub_model=self._sub_model(),
            retriever=self.retriever,
            limits=self._limits(),
            history=self._history(),
            gates=self._gates(),
            tools=[named(name, function) for name, function in tools.items()],
            cell_seconds=self.repl_exec_timeout or _NO_LIMIT,
            listeners=listeners,
        )

    def _sub_model(self) -> Model:
        tokens = self.subcall_max_tokens or self.subcall_max_output_tokens
        model: Model = AdaptedModel(
            self.subcall_adapter or self.adapter, system=self.subcall_system_prompt, max_tokens=tokens
        )
        model = LimitedModel(model, Quota(concurrency=self.max_concurrent_subcalls))
        cache = FileCache(self.cache_dir) if self.cache is None and self.cache_dir is not None else self.cache
        return cache.around(model) if cache is not None else model

    def _limits(self) -> Limits:
        return (self.policy or Policy()).limits(depth=self.max_recursion_depth if self.recursive_subcalls else 0)

    def _history(self) -> HistoryPolicy:
        if self.compaction:
            window = self.compaction_model_context_limit or facts_of(AdaptedModel(self.adapter)).window
            share = int(window * self.compaction_threshold_pct) if window and self.compaction_threshold_pct else 0
            return HistoryPolicy(mode="compact", tokens=share or self.compaction_threshold_tokens)
        if not self.conversation_history or self.max_history_tokens:
            return HistoryPolicy(mode="trim", tokens=max(self.max_history_tokens, _FORGETFUL_TOKENS))
        return HistoryPolicy()

    def _gates(self) -> Gates:
        given: dict[str, Any] = {
            "invalid_response_limit": self.invalid_response_limit,
            "repl_error_limit": self.repl_error_limit,
        }
        return Gates(
            require_repl_before_final=self.require_repl_before_final,
            require_subcall_before_final=self.require_subcall_before_final,
            min_steps=self.min_steps,
            loop_collapse_limit=_NO_LIMIT if self.loop_collapse_limit is None else self.loop_collapse_limit,
            fallback_code=self.fallback_code or "",
            auto_finalize_var=self.auto_finalize_var or "",
            auto_finalize_min_length=self.auto_finalize_min_length,
            auto_finalize_reject_patterns=tuple(self.auto_finalize_reject_patterns or ()),
            **{name: value for name, value in given.items() if value is not None},
        )

    def _extensions(self) -> Mapping[str, Callable[..., Any]]:
        if self.repl_extensions is None:
            return {}
        return self.repl_extensions(self, None, self.retriever, None)
