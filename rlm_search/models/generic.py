"""Any server that takes JSON and gives JSON: a function builds the request, another reads the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, TypeAlias
from urllib.parse import urlsplit

from rlm_search.models.chat import ChatCompletions
from rlm_search.models.dialects import Ask
from rlm_search.models.facts import UNKNOWN, ModelFacts
from rlm_search.models.http import HttpModel
from rlm_search.models.priced import PricedModel
from rlm_search.models.providers import Provider
from rlm_search.models.replies import Nonsense, Reply, refuse_nonsense
from rlm_search.models.retrying import RetryingModel
from rlm_search.models.settings import ModelSettings
from rlm_search.types import CallOptions, Completion, Message

PayloadBuilder: TypeAlias = Callable[[Sequence[Message], CallOptions], Mapping[str, Any]]
"""The JSON to send, from the messages in turns and the options."""
ResponseParser: TypeAlias = Callable[[Any], "str | Completion"]
"""The text, or a completion with its usage, from the JSON that came."""


class GenericModel:
    """A model behind a server of one's own protocol, with the time-outs, retries and errors of all others.

    Without functions it is chat completions. Use as a context manager to close its connections.

    Args:
        url: where requests are posted, the whole address.
        model: its name; it is what traces and usage call it.
        key: the credential.
        key_header: the header for it; `authorization` gets `Bearer` before it.
        headers: sent with each request.
        payload_builder: makes the request.
        response_parser: reads the answer; what it raises (`KeyError`, `TypeError`, `ValueError`, `IndexError`) means
            that this was no answer.
        settings: time-outs and retries; `stream` holds for chat completions only.
        facts: window and price, where they are known.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str = "",
        key: str = "",
        key_header: str = "authorization",
        headers: Mapping[str, str] | None = None,
        payload_builder: PayloadBuilder | None = None,
        response_parser: ResponseParser | None = None,
        settings: ModelSettings | None = None,
        facts: ModelFacts = UNKNOWN,
    ) -> None:
        parts = urlsplit(url)
        provider = Provider(
            name="generic",
            title=parts.hostname or url,
            base_url=f"{parts.scheme}://{parts.netloc}",
            key_header=key_header,
            headers=dict(headers or {}),
            paths={"generic": url.removeprefix(f"{parts.scheme}://{parts.netloc}").lstrip("/")},
        )
        settings = settings or ModelSettings()
        dialect = _Generic(payload_builder, response_parser)
        self._http = HttpModel(model or "model", provider, key=key, settings=settings, facts=facts, dialect=dialect)
        self._model = RetryingModel(PricedModel(self._http, facts), settings.retry_seconds)
        self.name, self.facts = self._http.name, facts

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        """Ask for one completion. Raises as `HttpModel` does."""
        return self._model.complete(messages, options)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Generic:
    """Chat completions, with the functions of a user in place of its ways to ask and to answer."""

    api = "generic"
    fallbacks: Mapping[str, str] = {}

    def __init__(self, build: PayloadBuilder | None, parse: ResponseParser | None) -> None:
        self._build, self._parse = build, parse
        self._chat = ChatCompletions()

    def request(self, ask: Ask) -> dict[str, Any]:
        """What the user's function builds."""
        ask = replace(ask, stream=ask.stream and self._build is None and self._parse is None)
        if self._build is None:
            return self._chat.request(ask)
        options = CallOptions(max_tokens=ask.max_tokens, temperature=ask.temperature, stop=ask.stop)
        return dict(self._build(ask.messages, options))

    def take(self, reply: Reply, data: bytes) -> str:
        """One event of a stream, as in chat completions."""
        return self._chat.take(reply, data)

    def whole(self, body: bytes) -> Reply:
        """What the user's function reads."""
        if self._parse is None:
            return self._chat.whole(body)
        try:
            found = json.loads(body)
        except ValueError:
            refuse_nonsense(body)
            raise
        try:
            said = self._parse(found)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise Nonsense(f"an answer that the response parser cannot read ({type(error).__name__})") from None
        completion = said if isinstance(said, Completion) else Completion(text=said)
        usage = completion.usage
        counted = usage.total_tokens > 0
        reply = Reply(
            finish_reason=completion.finish_reason,
            input_tokens=usage.input_tokens if counted else None,
            output_tokens=usage.output_tokens if counted else None,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            cost_usd=usage.cost_usd,
        )
        reply.say(completion.text)
        return reply
