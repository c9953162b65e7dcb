"""`SmartRouter`: small contexts go straight to the model, large ones through a run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rlm_search import router
from rlm_search.compat.pyrlm_runtime.adapters import AdaptedModel, ModelAdapter
from rlm_search.compat.pyrlm_runtime.formatting import TraceFormatter
from rlm_search.compat.pyrlm_runtime.policy import Policy, text_of
from rlm_search.compat.pyrlm_runtime.rlm import RLM
from rlm_search.compat.pyrlm_runtime.trace import StepRecorder, Trace
from rlm_search.context import Context
from rlm_search.router import Profile as ExecutionProfile

__all__ = ["ExecutionProfile", "RouterConfig", "RouterResult", "SmartRouter", "TraceFormatter"]


@dataclass
class RouterConfig:
    """Characters up to which a context goes straight to the model, and how larger ones are gone about.

    `baseline_system_prompt` takes the place of ours there; `auto_calibrate` is taken and changes nothing.
    """

    baseline_threshold: int = 8_000
    default_profile: ExecutionProfile = ExecutionProfile.DETERMINISTIC_FIRST
    baseline_max_tokens: int = 512
    baseline_system_prompt: str | None = None
    auto_calibrate: bool = False


@dataclass
class RouterResult:
    """An answer, and the way that it came."""

    output: str
    trace: Trace
    method: Literal["baseline", "rlm"]
    profile: ExecutionProfile
    context_chars: int
    tokens_used: int
    elapsed: float | None = None


class SmartRouter:
    """Chooses by the size of a context."""

    def __init__(
        self,
        adapter: ModelAdapter,
        *,
        subcall_adapter: ModelAdapter | None = None,
        config: RouterConfig | None = None,
        policy: Policy | None = None,
        system_prompt: str | None = None,
        fallback_code: str | None = None,
        auto_finalize_var: str | None = None,
        auto_finalize_reject_patterns: Sequence[str] | None = None,
        rlm_extra_kwargs: Mapping[str, Any] | None = None,
        logger: Any = None,
    ) -> None:
        self.config = config or RouterConfig()
        self._given: dict[str, Any] = {
            "adapter": adapter,
            "subcall_adapter": subcall_adapter,
            "policy": policy,
            "fallback_code": fallback_code,
            "auto_finalize_var": auto_finalize_var,
            "auto_finalize_reject_patterns": auto_finalize_reject_patterns,
            "logger": logger,
            **({"system_prompt": system_prompt} if system_prompt else {}),
            **(rlm_extra_kwargs or {}),
        }

    def run(self, query: str, context: Context, profile: ExecutionProfile | None = None) -> RouterResult:
        """Answer a question about a context.

        Raises:
            PolicyError: there is no answer.
        """
        started = time.monotonic()
        is_direct = context.len_chars() <= self.config.baseline_threshold
        given = {**self._given, **({"max_tokens": self.config.baseline_max_tokens} if is_direct else {})}
        recorder = StepRecorder(is_direct=is_direct)
        runtime = RLM(**given).runtime(recorder)
        if is_direct and (prompt := self.config.baseline_system_prompt):
            runtime.model = AdaptedModel(given["adapter"], system=prompt, max_tokens=self.config.baseline_max_tokens)
        routed = router.Router(runtime, threshold=self.config.baseline_threshold).run(
            query, context, profile=profile or self.config.default_profile
        )
        return RouterResult(
            output=text_of(routed.answer, recorder.trace),
            trace=recorder.trace,
            method="baseline" if routed.method == "direct" else "rlm",
            profile=routed.profile,
            context_chars=routed.characters,
            tokens_used=routed.tokens,
            elapsed=time.monotonic() - started,
        )
