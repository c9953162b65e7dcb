"""`RLM` with rlm-loop's arguments, and what it gives."""

from __future__ import annotations

import sys
import threading
from dataclasses import asdict, dataclass, field
from typing import Any

from rlm_search import rlm
from rlm_search.compat.rlm.logger import RLMLogger
from rlm_search.compat.rlm_loop.backends import LLMBackend
from rlm_search.trace.live import PlainProgress
from rlm_search.trace.trace import Listener
from rlm_search.types import Answer, Limits, Usage


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
        compact_prompt: without effect: there is one prompt.
        timeout: seconds at most.
        max_token_budget: tokens at most, of both models.
        sub_rlm_backend: where the recursive model is asked.

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
        sub_rlm_backend: LLMBackend | None = None,
    ) -> None:
        sub = recursive_model or model
        self._verbose = verbose
        self._rlm = rlm.RLM(
            model=backend.model(model),
            sub_model=(sub_rlm_backend or backend).model(sub),
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
        return RLMResult(answer.text, stats, history, success=is_answer, error=None if is_answer else answer.reason)


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
