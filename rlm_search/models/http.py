"""Models behind a server: one HTTP layer for every protocol."""

from __future__ import annotations

import contextlib
import re
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote

import httpx

from rlm_search.errors import ConfigError, ModelError, ModelRejected, ModelUnavailable
from rlm_search.models.anthropic import Messages
from rlm_search.models.chat import ChatCompletions
from rlm_search.models.clock import CallClock
from rlm_search.models.dialects import Ask, Dialect, in_turns
from rlm_search.models.facts import UNKNOWN, ModelFacts
from rlm_search.models.providers import Provider
from rlm_search.models.refusals import Refusal, as_error, nonsense, read_refusal
from rlm_search.models.replies import MAX_CHARACTERS, Nonsense, Reply, ServerError, read_stream
from rlm_search.models.responses import Responses
from rlm_search.models.settings import ModelSettings
from rlm_search.models.tokens import estimate_prompt_tokens, estimate_tokens
from rlm_search.types import CallOptions, Completion, Message, Usage

DIALECTS: Mapping[str, Dialect] = {"chat": ChatCompletions(), "responses": Responses(), "messages": Messages()}
_ANSWERS_ELSEWHERE = re.compile(r"v1/responses|not a chat model|chatCompletion operation does not work", re.IGNORECASE)
_WANTS_NO_SYSTEM = re.compile(
    r"system role (is )?not supported|only user and assistant roles|roles must alternate", re.IGNORECASE
)


class HttpModel:
    """One model of one server. What the server refuses of a request is learnt once and then left out.

    Args:
        model: as the server calls it.
        provider: where it is.
        key: the credential; "" sends none.
        settings: time-outs, temperature, streaming.
        facts: what is known of the model.
        dialect: the protocol; by default the one that the facts, the settings or the provider name.
    """

    def __init__(
        self,
        model: str,
        provider: Provider,
        *,
        key: str = "",
        settings: ModelSettings | None = None,
        facts: ModelFacts = UNKNOWN,
        dialect: Dialect | None = None,
    ) -> None:
        self.name = f"{provider.name}:{model}"
        self.model = model
        self.provider = provider
        self.facts = facts
        self._key = key
        self._settings = settings or ModelSettings()
        self._dialect = dialect or DIALECTS[self._settings.api or facts.api or provider.api]
        self._learnt: dict[str, str] = dict.fromkeys(facts.refuses, "")
        self._takes_system = facts.takes_system
        self._lock = threading.Lock()
        self._client = _client(provider, key, self._settings)
        weakref.finalize(self, self._client.close)

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        """Ask for one completion.

        Raises:
            ModelUnavailable: no answer in time, a server in trouble, or an answer that is none.
            ModelRejected: a wrong key, an unknown model, a request that is not taken.
            ContextTooLong: the messages do not fit.
        """
        clock = CallClock.start(self._settings, options)
        while True:
            dialect = self._dialect
            request = self._request(dialect, messages, options)
            try:
                reply = self._exchange(dialect, request, options, clock)
                return self._completion(reply, messages, options)
            except _Refused as refused:
                if not self._learn(dialect, refused.refusal, request):
                    raise self._error(refused.refusal) from None

    def models(self) -> list[str]:
        """The models that the server lists, in its order; none where it does not say."""
        try:
            answer = self._client.get("models", timeout=self._settings.connect_seconds)
            found = answer.json()["data"] if answer.is_success else []
            return [str(entry["id"]) for entry in found]
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return []

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    # --- asking ------------------------------------------------------------------------------------------------------

    def _request(self, dialect: Dialect, messages: Sequence[Message], options: CallOptions) -> dict[str, Any]:
        settings = self._settings
        limit = options.max_tokens or settings.max_tokens or None
        if limit and self.facts.max_output:
            limit = min(limit, self.facts.max_output)
        ask = Ask(
            model=self.model,
            messages=in_turns(messages, takes_system=self._takes_system),
            facts=self.facts,
            max_tokens=limit,
            max_tokens_name=self.provider.max_tokens,
            temperature=settings.temperature if options.temperature is None else options.temperature,
            stop=options.stop,
            stream=settings.stream,
            with_tool=settings.native_tools and options.may_run_code,
        )
        wanted = {**dialect.request(ask), **settings.extra}
        for refused, instead in self._learnt.items():
            value = wanted.pop(refused, None)
            if instead and instead not in self._learnt:
                wanted[instead] = value
        return {name: value for name, value in wanted.items() if value is not None}

    def _exchange(self, dialect: Dialect, request: dict[str, Any], options: CallOptions, clock: CallClock) -> Reply:
        streamed = "stream" in request
        path = self.provider.path(dialect.api).format(model=quote(self.model, safe=""))
        with (
            self._translated(clock),
            self._client.stream("POST", path, json=request, timeout=clock.timeouts(streamed)) as answer,
            clock.watching(answer, streamed) as watchdog,
        ):
            if not answer.is_success:
                raise _Refused(read_refusal(answer.status_code, _body(answer), answer.headers))
            if not streamed or answer.headers.get("content-type", "").startswith("application/json"):
                reply = dialect.whole(_body(answer))
                _pass_on(reply.text, options)
                return reply

            def heard(piece: str) -> None:
                watchdog.allow(clock.until_next(piece))
                _pass_on(piece, options)

            return read_stream(answer.iter_bytes(), dialect.take, stop=options.stop, on_text=heard)

    @contextlib.contextmanager
    def _translated(self, clock: CallClock) -> Iterator[None]:
        """Foreign errors become ours here."""
        try:
            yield
        except ServerError as error:
            raise _Refused(read_refusal(200, error.body)) from None
        except Nonsense as error:
            raise (self._too_slow() if clock.expired else nonsense(self.provider, str(error))) from None
        except httpx.TimeoutException as error:
            raise (self._away("no connection in time") if _connecting(error) else self._too_slow()) from None
        except httpx.ConnectError as error:
            raise self._away(_reason(error)) from None
        except (httpx.HTTPError, OSError) as error:
            if clock.expired:
                raise self._too_slow() from None
            what = "an answer that broke off" if isinstance(error, httpx.ReadError | httpx.RemoteProtocolError) else ""
            raise (nonsense(self.provider, what) if what else self._away(_reason(error))) from None

    # --- understanding -----------------------------------------------------------------------------------------------

    def _completion(self, reply: Reply, messages: Sequence[Message], options: CallOptions) -> Completion:
        text, finish = reply.text, reply.finish_reason or "stop"
        cut = min((at for at in map(text.find, options.stop) if at >= 0), default=-1)
        if cut >= 0:
            text, finish = text[:cut], "stop"
        counted = reply.input_tokens is not None and reply.output_tokens is not None
        usage = Usage(
            input_tokens=estimate_prompt_tokens(messages) if reply.input_tokens is None else reply.input_tokens,
            output_tokens=estimate_tokens(reply.text) if reply.output_tokens is None else reply.output_tokens,
            calls=1,
            cost_usd=reply.cost_usd,
            estimated=not counted,
            cached_tokens=reply.cached_tokens,
            cache_write_tokens=reply.cache_write_tokens,
        )
        return Completion(text=text, usage=usage, model=self.name, finish_reason=finish)

    def _learn(self, dialect: Dialect, refusal: Refusal, request: Mapping[str, Any]) -> bool:
        """Remember what was refused; False if it was nothing that can be left out, or said otherwise."""
        with self._lock:
            for parameter, instead in dialect.fallbacks.items():
                if parameter in request and refusal.refuses(parameter):
                    self._learnt = {**self._learnt, parameter: instead}
                    return True
            if refusal.status not in (400, 404, 422, 500):
                return False
            if dialect.api == "chat" and _ANSWERS_ELSEWHERE.search(refusal.message):
                self._dialect = DIALECTS["responses"]
                return True
            if self._has_system(request) and _WANTS_NO_SYSTEM.search(refusal.message):
                self._takes_system = False
                return True
        return False

    def _has_system(self, request: Mapping[str, Any]) -> bool:
        messages = request.get("messages") or ()
        return any(message.get("role") == "system" for message in messages if isinstance(message, dict))

    # --- failing -----------------------------------------------------------------------------------------------------

    def _error(self, refusal: Refusal) -> ModelError:
        listed = self._listed() if refusal.is_unknown_model else ""
        path = self.provider.path(self._dialect.api)
        return as_error(refusal, self.provider, self.model, key=self._key, listed=listed, path=path)

    def _listed(self) -> str:
        names = self.models()
        close = get_close_matches(self.model, names, n=3, cutoff=0.5)
        shown = close or names[:8]
        if not shown:
            return ""
        more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
        return f"there are {', '.join(shown)}{more}"

    def _away(self, reason: str) -> ModelUnavailable:
        return ModelUnavailable(
            f"cannot reach {self.provider.title or self.provider.name} at {self.provider.host}: {reason}",
            hint=self.provider.away or "check the network and the base URL",
            doubtful=True,
        )

    def _too_slow(self) -> ModelUnavailable:
        return ModelUnavailable(
            f"{self.provider.title or self.provider.name} ({self.provider.host}) did not answer in time",
            hint="raise `first_token_seconds`, `token_seconds` or `total_seconds` of [model], or the run's limit",
        )


class _Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def _client(provider: Provider, key: str, settings: ModelSettings) -> httpx.Client:
    headers = {"user-agent": "rlm-search", "accept": "application/json, text/event-stream"}
    headers |= {**provider.headers, **settings.headers}
    if key:
        if not (key.isascii() and key.isprintable()):
            raise ModelRejected(
                f"the key in {provider.key_variable or 'the settings'} cannot be one: it holds odd characters",
                hint="copy it again, without line breaks",
            )
        headers[provider.key_header] = f"Bearer {key}" if provider.key_header == "authorization" else key
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=settings.concurrency)
    try:
        has_tls = provider.base_url.startswith("https")  # without it, loading certificates is 50 ms for nothing
        return httpx.Client(base_url=provider.base_url, headers=headers, limits=limits, verify=has_tls)
    except (ValueError, httpx.InvalidURL, OSError):  # a proxy or a certificate file that the environment names
        raise ConfigError(
            "cannot set up connections to the model's server",
            hint="check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE in the environment",
        ) from None


def _body(answer: httpx.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    for part in answer.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > 4 * MAX_CHARACTERS:
            raise Nonsense("an answer without end")
    return b"".join(parts)


def _pass_on(text: str, options: CallOptions) -> None:
    if text and options.on_text is not None:
        options.on_text(text)


def _connecting(error: httpx.TimeoutException) -> bool:
    return isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)


def _reason(error: Exception) -> str:
    """Why, in a few words: what the system said, without addresses."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error).partition("\n")[0][:120] or type(error).__name__
