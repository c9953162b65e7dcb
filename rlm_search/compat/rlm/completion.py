"""`RLM` with the arguments of alexzhang13/rlm; a completion takes the place of a model's own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from rlm_search import assemble, rlm
from rlm_search.compaction import HistoryPolicy
from rlm_search.compat.rlm.backends import model_of, with_sampling
from rlm_search.compat.rlm.callbacks import Callbacks
from rlm_search.compat.rlm.exceptions import CancellationError, response_of
from rlm_search.compat.rlm.logger import RLMLogger
from rlm_search.compat.rlm.persistence import Persistence
from rlm_search.compat.rlm.tools import Tools
from rlm_search.compat.rlm.usage import UsageSummary
from rlm_search.errors import ConfigError, RunCancelled
from rlm_search.gates import Gates
from rlm_search.models.facts import facts_of
from rlm_search.settings import SandboxSettings
from rlm_search.trace.live import PlainProgress
from rlm_search.trace.trace import Listener
from rlm_search.types import Limits, Sandbox

_LOCAL = ("local", "ipython")
_SERVICES = ("modal", "prime", "daytona", "e2b")
_QUESTION = "The context holds the task, with its material: read it in the session, do what it asks, and answer."
_UNKNOWN_WINDOW = 128_000


@dataclass
class RLMChatCompletion:
    """What a completion came to. `metadata` is the trajectory, where a logger kept it."""

    root_model: str
    prompt: Any
    response: str
    usage_summary: UsageSummary
    execution_time: float
    metadata: dict[str, Any] | None = None
    error: str | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RLMChatCompletion:
        """From what `to_dict` gave."""
        given = {name: data[name] for name in ("root_model", "prompt", "response", "execution_time")}
        usage = UsageSummary.from_dict(data.get("usage_summary") or {})
        return cls(**given, usage_summary=usage, metadata=data.get("metadata"), error=data.get("error"))

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "root_model": self.root_model,
            "prompt": self.prompt,
            "response": self.response,
            "usage_summary": self.usage_summary.to_dict(),
            "execution_time": self.execution_time,
            **({} if self.metadata is None else {"metadata": self.metadata}),
        }


class RLM:
    """Completions by a loop. The arguments are those of rlms 0.1.3 and, for tokens, of its forks: see docs/compat.md.

    Raises:
        ConfigError: an unknown backend, environment or argument, a missing credential, a limit among `backend_kwargs`.
        ValueError: a limit of tokens below 50.
    """

    def __init__(
        self,
        backend: str = "openai",
        backend_kwargs: Mapping[str, Any] | None = None,
        environment: str = "local",
        environment_kwargs: Mapping[str, Any] | None = None,
        *,
        max_depth: int = 1,
        max_iterations: int = 30,
        max_budget: float | None = None,
        max_timeout: float | None = None,
        max_tokens: int | None = None,
        max_root_tokens: int | None = 1_000_000,
        max_sub_tokens: int | None = 1_000_000,
        max_errors: int | None = None,
        custom_system_prompt: str | None = None,
        other_backends: Sequence[str] | None = None,
        other_backend_kwargs: Sequence[Mapping[str, Any]] | None = None,
        logger: RLMLogger | None = None,
        verbose: bool = False,
        persistent: bool = False,
        custom_tools: Mapping[str, Any] | None = None,
        compaction: bool = False,
        compaction_threshold_pct: float = 0.85,
        max_concurrent_subcalls: int = 4,
        on_subcall_start: Callable[[int, str, str], None] | None = None,
        on_subcall_complete: Callable[[int, str, float, str | None], None] | None = None,
        on_iteration_start: Callable[[int, int], None] | None = None,
        on_iteration_complete: Callable[[int, int, float], None] | None = None,
        sampling_args: Mapping[str, Any] | None = None,
        sub_sampling_args: Mapping[str, Any] | None = None,
        orchestrator: bool = True,
        user_prologue: str | None = None,
    ) -> None:
        given = with_sampling(backend_kwargs, sampling_args)
        model = model_of(backend, given)
        others = list(zip(other_backends or (), other_backend_kwargs or (), strict=True))
        if sub_sampling_args is not None:
            name, arguments = others[0] if others else (backend, given)
            others = [(name, with_sampling(arguments, sub_sampling_args) or {}), *others[1:]]
        window = facts_of(model).window or _UNKNOWN_WINDOW
        tools = Tools.of(custom_tools or {})
        told = (custom_system_prompt or "", tools.told(), user_prologue or "")
        self._instructions = "\n\n".join(part for part in told if part)
        self._logger, self._verbose = logger, verbose
        self._callbacks = (on_iteration_start, on_iteration_complete, on_subcall_start, on_subcall_complete)
        self._metadata = {
            "root_model": model.name,
            "max_depth": max_depth,
            "max_iterations": max_iterations,
            "backend": backend,
            "backend_kwargs": {"model_name": (backend_kwargs or {}).get("model_name")},
            "environment_type": environment,
            "environment_kwargs": {},
            "other_backends": list(other_backends) if other_backends else None,
        }
        self._rlm = rlm.RLM(
            model=model,
            sub_model=model_of(*others[0]) if others else None,
            limits=Limits(
                steps=max_iterations,
                subcalls=None,
                depth=max_depth,
                root_tokens=max_root_tokens,
                sub_tokens=max_sub_tokens,
                total_tokens=max_tokens,
                cost_usd=max_budget,
                seconds=max_timeout,
            ),
            gates=Gates() if max_errors is None else Gates(repl_error_limit=max_errors),
            history=HistoryPolicy(mode="compact", tokens=int(window * compaction_threshold_pct))
            if compaction
            else HistoryPolicy(),
            sandbox=tools.in_sandbox(sandbox_of(environment, environment_kwargs or {})),
            tools=tools.functions,
        )
        self._persistence = Persistence(self._rlm) if persistent else None

    def completion(self, prompt: Any, root_prompt: str | None = None) -> RLMChatCompletion:
        """Answer what a prompt asks.

        Args:
            prompt: a text, messages, or other data; the model has it as `context`, and is not shown all of it.
            root_prompt: the question, where it should be shown.

        Raises:
            NoAnswerError: there is no answer, one of its kinds says why.
            ModelError, SandboxError: a part is broken.
        """
        logger, shared = self._logger or RLMLogger(), self._persistence
        logger.begin(self._metadata)
        listeners: list[Listener] = [Callbacks(*self._callbacks), logger]
        if self._verbose:
            listeners.append(PlainProgress(sys.stderr))
        told = f"{self._instructions}\n\n{shared.told()}".strip() if shared else self._instructions
        try:
            answer = self._rlm.run(
                root_prompt or _QUESTION,
                context=prompt,
                instructions=told,
                listeners=listeners,
                kept=shared.kept if shared else None,
            )
        except RunCancelled as cancelled:
            raise CancellationError(cancelled.message) from cancelled
        if shared is not None:
            shared.add_history(logger.get_trajectory())
        return RLMChatCompletion(
            root_model=self._rlm.model.name,
            prompt=prompt,
            response=response_of(answer, self._rlm.limits, self._rlm.gates.repl_error_limit),
            usage_summary=UsageSummary.of(answer),
            execution_time=answer.seconds,
            metadata=self._logger.get_trajectory() if self._logger is not None else None,
        )

    def close(self) -> None:
        """End the session of a persistent one; the next completion begins another."""
        if self._persistence is not None:
            self._persistence.close()
            self._persistence = Persistence(self._rlm)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def sandbox_of(environment: str, arguments: Mapping[str, Any]) -> Callable[[], Sandbox] | None:
    """What makes the sandbox of an environment; None for the usual one. ConfigError where there is no such."""
    if environment in _LOCAL:
        return None
    if environment == "docker" or environment in _SERVICES:
        settings = SandboxSettings(spec="container" if environment == "docker" else environment)
        image = str(arguments.get("image", settings.image))
        return assemble.sandbox_factory(msgspec.structs.replace(settings, image=image))
    raise ConfigError(
        f"no environment {environment!r}", hint=f"local, which is a confined process, docker, {', '.join(_SERVICES)}"
    )
