"""Adapters as pyrlm-runtime has them: each holds one of our models, and can be asked by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from rlm_search.compat.opening import opened
from rlm_search.errors import ConfigError
from rlm_search.models.facts import UNKNOWN, facts_of
from rlm_search.models.generic import GenericModel
from rlm_search.models.scripted import ScriptedModel
from rlm_search.models.settings import ModelSettings, key, variable
from rlm_search.types import CallOptions, Completion, Message, Model
from rlm_search.types import Usage as OurUsage

Turns = list[dict[str, str]]


@dataclass(frozen=True)
class Usage:
    """Tokens of a call."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Usage:
        """From the form that servers give it in."""
        prompt, completion = int(data.get("prompt_tokens") or 0), int(data.get("completion_tokens") or 0)
        return cls(prompt, completion, int(data.get("total_tokens") or prompt + completion))

    def to_dict(self) -> dict[str, int]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class ModelResponse:
    """What a model said."""

    text: str
    usage: Usage
    model_id: str | None = None
    meta: dict[str, Any] | None = None


class ModelAdapter(Protocol):
    """What an adapter of one's own has to be."""

    def complete(self, messages: Turns, *, max_tokens: int = 512, temperature: float = 0.0) -> ModelResponse:
        """One completion."""
        ...


class AdaptedModel:
    """An adapter as one of our models.

    Args:
        adapter: one of those below, or of one's own.
        system: takes the place of the system message; "" leaves it.
        max_tokens: of a reply, where the call does not say.
    """

    def __init__(self, adapter: ModelAdapter, *, system: str = "", max_tokens: int | None = None) -> None:
        self._adapter, self._system, self._max_tokens = adapter, system, max_tokens
        self._inner: Model | None = getattr(adapter, "inner", None)
        self.name: str = self._inner.name if self._inner else getattr(adapter, "model", "") or type(adapter).__name__
        self.facts = facts_of(self._inner) if self._inner else UNKNOWN

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        """Ask the adapter. What one of the caller's own raises reaches the caller."""
        if self._system:
            messages = [Message("system", self._system), *(turn for turn in messages if turn.role != "system")]
        options = replace(options, max_tokens=options.max_tokens or self._max_tokens)
        if self._inner is not None:
            return self._inner.complete(messages, options)
        turns = [{"role": turn.role, "content": turn.content} for turn in messages]
        said = self._adapter.complete(
            turns, max_tokens=options.max_tokens or 512, temperature=options.temperature or 0.0
        )
        used = said.usage
        usage = OurUsage(input_tokens=used.prompt_tokens, output_tokens=used.completion_tokens, calls=1)
        if options.on_text is not None:
            options.on_text(said.text)
        return Completion(text=said.text, usage=usage, model=said.model_id or self.name)


class OpenAICompatAdapter:
    """Any server of OpenAI's protocol. The key is in LLM_API_KEY or OPENAI_API_KEY, the address in LLM_BASE_URL."""

    def __init__(self, *, model: str, base_url: str | None = None) -> None:
        self.model = model
        self.inner = opened(
            f"openai:{model}",
            base_url=base_url or variable("LLM_BASE_URL") or None,
            key_variable="LLM_API_KEY" if key("LLM_API_KEY") else None,
        )

    def complete(self, messages: Turns, *, max_tokens: int = 512, temperature: float = 0.0) -> ModelResponse:
        """One completion."""
        return asked(self.inner, messages, max_tokens, temperature)


class AzureOpenAIAdapter:
    """A deployment of Azure OpenAI: AZURE_OPENAI_API_KEY, and OPENAI_ENDPOINT or AZURE_ACCOUNT_NAME."""

    def __init__(self, *, model: str, api_version: str | None = None, timeout: float = 180.0) -> None:
        self.model = model = re.sub(r"\s+", "", model)
        endpoint = re.sub(r"\s+", "", variable("OPENAI_ENDPOINT")).rstrip("/")
        seconds: dict[str, Any] = {"first_token_seconds": timeout, "total_seconds": timeout}
        if urlsplit(endpoint).path:  # …/openai/v1: a server of OpenAI's protocol
            headers = {"api-key": key("AZURE_OPENAI_API_KEY")}
            self.inner = opened(f"openai:{model}", base_url=endpoint, headers=headers, **seconds)
            return
        version = {"AZURE_OPENAI_API_VERSION": api_version} if api_version else {}
        self.inner = opened(f"azure:{model}", environment=version, **seconds)

    def close(self) -> None:
        """Nothing is held open beyond the adapter itself."""

    def complete(self, messages: Turns, *, max_tokens: int = 512, temperature: float = 0.0) -> ModelResponse:
        """One completion."""
        return asked(self.inner, messages, max_tokens, temperature)


PayloadBuilder = Callable[[Turns, int, "float | None", "str | None"], Mapping[str, Any]]
ResponseParser = Callable[[Any], "tuple[str, Usage | None]"]


class GenericChatAdapter:
    """A server of a protocol of one's own: `payload_builder` makes requests, `response_parser` reads answers."""

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        base_url: str | None = None,
        path: str = "/chat/completions",
        model: str | None = None,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        payload_builder: PayloadBuilder | None = None,
        response_parser: ResponseParser | None = None,
        timeout: float = 60.0,
        max_retries: int = 3,
        retry_base_delay: float = 1.0,
        retry_max_delay: float = 30.0,
    ) -> None:
        if not endpoint and not base_url:
            raise ConfigError("endpoint or base_url is required")
        self.model = model
        self.headers = dict(headers or {})
        self.endpoint = endpoint or f"{str(base_url).rstrip('/')}/{path.lstrip('/')}"
        waits = (min(retry_base_delay * 2**attempt, retry_max_delay) for attempt in range(max_retries))
        self.inner = GenericModel(
            self.endpoint,
            model=model or "",
            key=api_key or "",
            headers=headers,
            payload_builder=_building(payload_builder, model) if payload_builder else None,
            response_parser=_parsing(response_parser) if response_parser else None,
            settings=ModelSettings(
                first_token_seconds=timeout, total_seconds=timeout, stream=False, retry_seconds=sum(waits) * 1.5
            ),
        )

    def complete(self, messages: Turns, *, max_tokens: int = 512, temperature: float = 0.0) -> ModelResponse:
        """One completion."""
        return asked(self.inner, messages, max_tokens, temperature)

    def close(self) -> None:
        """Let go of the connections."""
        self.inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@dataclass
class FakeRule:
    """What to say to prompts that match."""

    matcher: Callable[[str], bool]
    response: str
    once: bool = False
    usage: Usage | None = None


class FakeAdapter:
    """Says what it was told to: the first rule that matches any of the messages, or else the next of the script."""

    def __init__(
        self, *, rules: Iterable[FakeRule] | None = None, script: Iterable[str] | None = None, model: str | None = None
    ) -> None:
        self.model = model
        self.call_log: list[Turns] = []
        self._rules, self._script = list(rules or ()), list(script or ())
        self.inner = ScriptedModel(self._reply, name=model or "fake")  # type: ignore[arg-type]  # None ends the script

    def add_rule(
        self, pattern: str, response: str, *, regex: bool = False, once: bool = False, usage: Usage | None = None
    ) -> None:
        """From now on, say this to prompts that hold the pattern."""
        found = re.compile(pattern if regex else re.escape(pattern)).search
        self._rules.append(FakeRule(lambda prompt: found(prompt) is not None, response, once, usage))

    def complete(self, messages: Turns, *, max_tokens: int = 512, temperature: float = 0.0) -> ModelResponse:
        """The next reply."""
        return asked(self.inner, messages, max_tokens, temperature)

    def _reply(self, messages: Sequence[Message]) -> str | Completion | None:
        self.call_log.append([{"role": turn.role, "content": turn.content} for turn in messages])
        prompt = "\n".join(turn.content for turn in messages)
        rule = next((rule for rule in self._rules if rule.matcher(prompt)), None)
        if rule is None:
            return self._script.pop(0) if self._script else None
        if rule.once:
            self._rules.remove(rule)
        if rule.usage is None:
            return rule.response
        return Completion(text=rule.response, usage=_our_usage(rule.usage), model=self.inner.name)


def asked(model: Model, messages: Turns, max_tokens: int, temperature: float | None) -> ModelResponse:
    """What a model of ours says, in their form."""
    said = model.complete(
        [Message(turn["role"], turn["content"]) for turn in messages],  # type: ignore[arg-type]
        CallOptions(max_tokens=max_tokens, temperature=temperature),
    )
    used = said.usage
    return ModelResponse(said.text, Usage(used.input_tokens, used.output_tokens, used.total_tokens), said.model)


def _building(
    build: PayloadBuilder, model: str | None
) -> Callable[[Sequence[Message], CallOptions], Mapping[str, Any]]:
    def built(messages: Sequence[Message], options: CallOptions) -> Mapping[str, Any]:
        turns = [{"role": turn.role, "content": turn.content} for turn in messages]
        return build(turns, options.max_tokens or 512, options.temperature or 0.0, model)

    return built


def _parsing(parse: ResponseParser) -> Callable[[Any], Completion]:
    def parsed(answer: Any) -> Completion:
        text, usage = parse(answer)
        return Completion(text=text, usage=_our_usage(usage) if usage else OurUsage())

    return parsed


def _our_usage(usage: Usage) -> OurUsage:
    return OurUsage(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens, calls=1)


def __getattr__(name: str) -> Any:
    """`VertexAIAdapter`, whose library is loaded where it is used."""
    if name != "VertexAIAdapter":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rlm_search.compat.pyrlm_runtime import vertex_ai

    return vertex_ai.VertexAIAdapter
