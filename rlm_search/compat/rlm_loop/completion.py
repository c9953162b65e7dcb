"""`RLM` with rlm-loop's arguments, and what it gives."""

from __future__ import annotations

import sys
import threading
from dataclasses import asdict, dataclass, field
from typing import Any, cast, get_args

from rlm_search import rlm
from rlm_search.compat.rlm.logger import RLMLogger
from rlm_search.compat.rlm_loop.backends import LLMBackend
from rlm_search.context_engineer import ContextEngineer, Mode
from rlm_search.errors import ConfigError
from rlm_search.trace.live import PlainProgress
from rlm_search.trace.trace import Listener
from rlm_search.types import Answer, Limits, Model, Usage


@dataclass
class RLMStats:
    """What a completion has used; the cost is None where no price is known."""

    iterations: int = 0
    llm_calls: int = 0
    sub_rlm_calls: int = 0
    total_input_tokens: int = 0
    total_output_tokens: int = 0
    cost_usd: float | None = None


@dataclass
class RLMResult:
    """What a completion came to. Without success, `error` says why and `answer` is the last draft, if any."""

    answer: str
    stats: RLMStats
    history: list[dict[str, Any]] = field(default_factory=list)
    success: bool = True
    error: str | None = None


class RLM:
    """Completions by a loop.

    Args:
        backend: where models are asked.
        model: writes the code.
        recursive_model: answers `llm_query`; by default the same.
        max_iterations: steps at most.
        max_depth: how deep `rlm_query` goes.
        verbose: tell each step on stderr.
        compact_prompt: tell the model its rules briefly.
        timeout: seconds at most.
        max_token_budget: tokens at most, of all models.
        verify: have the answer looked at once more; what is in doubt is noted at its end.
        sub_rlm_model: the later name of `recursive_model`.
        sub_rlm_backend: where the recursive model is asked.
        verifier_backend: where the verifier is asked; by default where the recursive model is.
        verifier_model: looks at answers; by default the recursive model.
        context_engineer_mode: `off`, `pre_loop`, `per_query` or `both`.
        share_brief_with_root: the model that writes the code is told the brief, too.
        context_engineer_backend: where the context engineer is asked; by default where the recursive model is.
        context_engineer_model: writes brief and notes; by default the recursive model.

    Raises:
        ConfigError: a missing credential.
    """

    def __init__(
        self,
        backend: LLMBackend,
        model: str = "claude-sonnet-4-20250514",
        recursive_model: str | None = None,
        max_iterations: int = 10,
        max_depth: int = 3,
        *,
        verbose: bool = False,
        compact_prompt: bool = False,
        timeout: float | None = None,
        max_token_budget: int | None = None,
        verify: bool = False,
        sub_rlm_model: str | None = None,
        sub_rlm_backend: LLMBackend | None = None,
        verifier_backend: LLMBackend | None = None,
        verifier_model: str | None = None,
        context_engineer_mode: str = "off",
        share_brief_with_root: bool = False,
        context_engineer_backend: LLMBackend | None = None,
        context_engineer_model: str | None = None,
    ) -> None:
        sub = recursive_model or sub_rlm_model or model
        sub_backend = sub_rlm_backend or backend
        self._verbose = verbose
        self._rlm = rlm.RLM(
            model=backend.model(model),
            sub_model=sub_backend.model(sub),
            compact_prompt=compact_prompt,
            verify=verify,
            verifier=_other(verifier_backend, verifier_model, sub_backend, sub),
            context_engineer=_engineer(
                context_engineer_mode,
                share_brief_with_root,
                _other(context_engineer_backend, context_engineer_model, sub_backend, sub),
            ),
            limits=Limits(
                steps=max_iterations, depth=max_depth, seconds=timeout, total_tokens=max_token_budget, subcalls=None
            ),
        )
        self._lock, self._used = threading.Lock(), RLMStats()

    def completion(self, context: Any, query: str) -> RLMResult:
        """Answer a query about a context: a text, texts by name (`FILES`), or a `Context`.

        Raises:
            ModelError, SandboxError: a part is broken.
        """
        logger = RLMLogger()
        return self._result(self._rlm.run(query, context=context, listeners=self._listeners(logger)), logger)

    async def acompletion(self, context: Any, query: str) -> RLMResult:
        """`completion` to be awaited; cancelling the task ends it."""
        logger = RLMLogger()
        answer = await self._rlm.arun(query, context=context, listeners=self._listeners(logger))
        return self._result(answer, logger)

    def cost_summary(self) -> dict[str, Any]:
        """What all completions so far have used."""
        with self._lock:
            return asdict(self._used)

    def _listeners(self, logger: RLMLogger) -> list[Listener]:
        logger.begin({})
        return [logger, PlainProgress(sys.stderr)] if self._verbose else [logger]

    def _result(self, answer: Answer, logger: RLMLogger) -> RLMResult:
        stats = _stats_of(answer)
        with self._lock:
            self._used = _sum(self._used, stats)
        history = (logger.get_trajectory() or {}).get("iterations", [])
        is_answer = answer.status in ("answered", "not_found")
        return RLMResult(_noted(answer), stats, history, success=is_answer, error=None if is_answer else answer.reason)


def _other(backend: LLMBackend | None, name: str | None, usual_backend: LLMBackend, usual_name: str) -> Model | None:
    """A model of its own for a role; None where it is the usual one."""
    if backend is None and name is None:
        return None
    return (backend or usual_backend).model(name or usual_name)


def _engineer(mode: str, share_brief: bool, model: Model | None) -> ContextEngineer | None:
    if mode == "off":
        return None
    if mode not in get_args(Mode):
        raise ConfigError(f"there is no context_engineer_mode {mode!r}", hint=f"off, {', '.join(get_args(Mode))}")
    return ContextEngineer(mode=cast("Mode", mode), share_brief=share_brief, model=model)


def _noted(answer: Answer) -> str:
    """The text, with what a second look came to behind it, as rlm-loop writes it."""
    found = [doubt.reason or doubt.kind for doubt in answer.doubts]
    return f"{answer.text}\n\n[Verification note: {'; '.join(found)}]" if found else answer.text


def _stats_of(answer: Answer) -> RLMStats:
    used = sum(answer.usage.values(), Usage())
    return RLMStats(
        iterations=answer.steps,
        llm_calls=used.calls,
        sub_rlm_calls=answer.usage["sub"].calls if "sub" in answer.usage else 0,
        total_input_tokens=used.input_tokens,
        total_output_tokens=used.output_tokens,
        cost_usd=answer.cost_usd,
    )


def _sum(one: RLMStats, other: RLMStats) -> RLMStats:
    costs = [stats.cost_usd for stats in (one, other) if stats.cost_usd is not None]
    return RLMStats(
        iterations=one.iterations + other.iterations,
        llm_calls=one.llm_calls + other.llm_calls,
        sub_rlm_calls=one.sub_rlm_calls + other.sub_rlm_calls,
        total_input_tokens=one.total_input_tokens + other.total_input_tokens,
        total_output_tokens=one.total_output_tokens + other.total_output_tokens,
        cost_usd=sum(costs) if costs else None,
    )
