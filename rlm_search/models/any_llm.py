"""Providers that need a library of their own to log in (Bedrock, Vertex, watsonx, …), by `any-llm-sdk`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from retrievers import plugins
from rlm_search.errors import ConfigError, ModelError, ModelUnavailable
from rlm_search.models.chat import ChatCompletions
from rlm_search.models.dialects import Ask, in_turns
from rlm_search.models.facts import known_facts
from rlm_search.models.providers import Provider
from rlm_search.models.refusals import Refusal, as_error
from rlm_search.models.replies import Nonsense, Reply
from rlm_search.models.settings import ModelSettings
from rlm_search.models.tokens import estimate_prompt_tokens, estimate_tokens
from rlm_search.types import CallOptions, Completion, Message, Usage

_STATUS_OF = {
    "AuthenticationError": 401,
    "ContextLengthExceededError": 413,
    "GatewayTimeoutError": 504,
    "InsufficientFundsError": 402,
    "InvalidRequestError": 400,
    "ModelNotFoundError": 404,
    "RateLimitError": 429,
    "UnsupportedParameterError": 400,
    "UpstreamProviderError": 502,
}
"""By the name of the library's error, where it does not say the status."""
_NO_CREDENTIALS = frozenset(
    {"DefaultCredentialsError", "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"}
)
"""What the libraries of Google and AWS raise where they find none; asking again changes nothing."""
_MAY_BE_LEFT_OUT = ("temperature", "stop", "tools", "max_tokens")


class AnyLlmModel:
    """One model by `any-llm-sdk`, asked for whole answers.

    Credentials are found as the provider's own library finds them (`AWS_PROFILE`, `GOOGLE_APPLICATION_CREDENTIALS`, …).
    A call that takes too long is given up here; the library ends it in its own time.

    Args:
        spec: `bedrock:MODEL`, `vertexai:MODEL`, or any provider of the library.
        settings: `base_url`, temperature, time-outs.
        client_arguments: what the provider's own library is given beside, such as `region_name`.
    """

    def __init__(
        self, spec: str, *, settings: ModelSettings | None = None, client_arguments: Mapping[str, Any] | None = None
    ) -> None:
        provider, _, model = spec.partition(":")
        if not model:
            raise ConfigError(f"`{spec}` names no model", hint="such as bedrock:amazon.nova-pro-v1:0")
        self._settings = settings or ModelSettings()
        self.model = model
        self.name = f"{provider}:{model}"
        self.facts = known_facts(provider, model)
        address = self._settings.base_url or f"any-llm://{provider}"
        self.provider = Provider(name=provider, title=f"{provider} by any-llm", base_url=address)
        self._client = self._opened(provider, client_arguments or {})
        self._dialect = ChatCompletions()
        self._refused: frozenset[str] = frozenset(self.facts.refuses)

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        """Ask for one completion.

        Raises:
            ModelUnavailable: no answer in time, or a provider in trouble.
            ModelRejected: a credential, an unknown model, a request that is not taken.
            ContextTooLong: the messages do not fit.
        """
        ends = time.monotonic() + self._settings.total_seconds
        ends = ends if options.deadline is None else min(ends, options.deadline)
        while True:
            request = self._request(messages, options)
            try:
                answer = _in_time(lambda request=request: self._client.completion(**request), ends)  # type: ignore[misc]
                return self._completion(self._reply(answer), messages, options)
            except _TooSlow:
                raise ModelUnavailable(
                    f"{self.provider.title} did not answer in time", hint="raise `total_seconds` of [model]"
                ) from None
            except ModelError:
                raise
            except Exception as error:  # noqa: BLE001  # becomes ours: retried, or ends the run
                if not type(error).__module__.startswith("any_llm"):
                    about = f"{self.provider.title} sent what the library cannot read ({type(error).__name__})"
                    raise ModelUnavailable(about, doubtful=True) from None
                refusal = _refusal_of(error)
                refused = [p for p in _MAY_BE_LEFT_OUT if p in request and refusal.refuses(p)]
                if not refused:
                    raise as_error(refusal, self.provider, self.model) from None
                self._refused |= {refused[0]}

    def _opened(self, provider: str, arguments: Mapping[str, Any]) -> Any:
        library = plugins.require("any_llm", extra="any-llm", purpose=f"the provider `{provider}`")
        address = self._settings.base_url or None
        try:
            return library.AnyLLM.create(provider, api_base=address, unified_exceptions=True, **arguments)
        except ImportError:
            raise ConfigError(
                f"the library of the provider `{provider}` is not installed: pip install 'any-llm-sdk[{provider}]'"
            ) from None
        except library.exceptions.AnyLLMError as error:
            raise ConfigError(
                f"cannot use the provider `{provider}`: {_line(error)}", hint="see docs/models.md"
            ) from None

    def _request(self, messages: Sequence[Message], options: CallOptions) -> dict[str, Any]:
        settings = self._settings
        ask = Ask(
            model=self.model,
            messages=in_turns(messages, takes_system=self.facts.takes_system),
            facts=self.facts,
            max_tokens=options.max_tokens or settings.max_tokens or None,
            temperature=settings.temperature if options.temperature is None else options.temperature,
            stop=options.stop,
            stream=False,
            with_tool=settings.native_tools and options.may_run_code,
        )
        wanted = {**self._dialect.request(ask), **settings.extra}
        return {name: value for name, value in wanted.items() if value is not None and name not in self._refused}

    def _reply(self, answer: Any) -> Reply:
        try:
            return self._dialect.whole(answer.model_dump_json().encode())
        except Nonsense as error:
            raise ModelUnavailable(f"{self.provider.title} sent {error}") from None

    def _completion(self, reply: Reply, messages: Sequence[Message], options: CallOptions) -> Completion:
        text = reply.text
        cut = min((at for at in map(text.find, options.stop) if at >= 0), default=-1)
        text = text if cut < 0 else text[:cut]
        if options.on_text is not None and text:
            options.on_text(text)
        usage = Usage(
            input_tokens=estimate_prompt_tokens(messages) if reply.input_tokens is None else reply.input_tokens,
            output_tokens=estimate_tokens(reply.text) if reply.output_tokens is None else reply.output_tokens,
            calls=1,
            estimated=reply.input_tokens is None or reply.output_tokens is None,
            cached_tokens=reply.cached_tokens,
        )
        return Completion(text=text, usage=usage, model=self.name, finish_reason=reply.finish_reason or "stop")


class _TooSlow(Exception):
    pass


def _in_time(call: Callable[[], Any], ends: float) -> Any:
    """The result of a blocking call, or `_TooSlow`: not every provider's library can be given a time."""
    results: list[Any] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            results.append(call())
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits
            errors.append(error)

    thread = threading.Thread(target=work, name="any-llm", daemon=True)
    thread.start()
    thread.join(max(0.001, ends - time.monotonic()))
    if errors:
        raise errors[0]
    if not results:
        raise _TooSlow
    return results[0]


def _refusal_of(error: Exception) -> Refusal:
    status = getattr(error, "status_code", None)
    if not isinstance(status, int):
        cause = getattr(error, "original_exception", None) or error.__cause__
        status = 401 if type(cause).__name__ in _NO_CREDENTIALS else _STATUS_OF.get(type(error).__name__, 503)
    return Refusal(
        status=status,
        message=_line(error),
        code=str(getattr(error, "code", "") or ""),
        parameter=str(getattr(error, "param", "") or ""),
    )


def _line(error: Exception) -> str:
    return " ".join(str(getattr(error, "message", "") or error).split())[:200]
