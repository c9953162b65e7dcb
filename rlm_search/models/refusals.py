"""What a model's server says when it does not answer, as errors of ours: readable, and without anything secret."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlm_search.errors import ContextTooLong, ModelError, ModelRejected, ModelUnavailable
from rlm_search.models.providers import Provider

_TOO_LONG = re.compile(
    r"context[_ ](length|window|size)|context (the )?overflows|maximum (context|prompt) length|prompt is too long"
    r"|too (many|large)[^.]{0,40} tokens|reduce the length of|input (is )?too long|exceeds? (the )?(available )?context"
    r"|tokens? > \d+ maximum",
    re.IGNORECASE,
)
_NO_SUCH_MODEL = re.compile(
    r"model.{0,120}?(not (found|exist|available|supported)|does ?n[o']t exist|unknown)"
    r"|(unknown|invalid|no such|not a valid) model|model_not_found",
    re.IGNORECASE | re.DOTALL,
)
_SPENT = re.compile(
    r"insufficient_quota|exceeded your current quota|insufficient (balance|credits|funds)|billing"
    r"|credit balance is too low",
    re.IGNORECASE,
)
_NOT_TAKEN = re.compile(
    r"unsupported|not supported|does not support|only the default|unknown|unrecognized|unexpected|extra inputs"
    r"|not permitted|not allowed|deprecated",
    re.IGNORECASE,
)
_LONGEST_MESSAGE = 200
_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "overloaded_error": 529,
}
"""The status that an error in the middle of a stream would have had."""
_TRANSIENT = frozenset({408, 409, 425, 429, 498, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer with an error in it, read as far as it can be."""

    status: int
    message: str = ""
    code: str = ""
    parameter: str = ""
    retry_after_seconds: float | None = None

    @property
    def is_unknown_model(self) -> bool:
        """Whether it says that there is no such model."""
        said = f"{self.code} {self.message}"
        return self.status in (400, 404) and bool(_NO_SUCH_MODEL.search(said)) and not self.is_too_long

    @property
    def is_too_long(self) -> bool:
        """Whether it says that the prompt does not fit."""
        if self.status not in (400, 413, 422, 500):  # 500: llama.cpp and LM Studio
            return False
        return self.status == 413 or bool(_TOO_LONG.search(f"{self.code} {self.message}"))

    @property
    def says_no_credit(self) -> bool:
        """Whether it says that the account is spent; who asks to wait for some seconds means something else."""
        if self.status == 429 and self.retry_after_seconds is None:
            return bool(_SPENT.search(f"{self.code} {self.message}"))
        return self.status == 402 or (self.status == 400 and "credit balance is too low" in self.message)

    def refuses(self, parameter: str) -> bool:
        """Whether it says that this parameter of the request is not taken, or not with this value."""
        if self.status not in (400, 422):
            return False
        named = self.parameter == parameter or re.search(rf"(?<!\w){re.escape(parameter)}(?!\w)", self.message)
        return bool(named) and bool(_NOT_TAKEN.search(f"{self.code} {self.message}"))


def read_refusal(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Refusal:
    """What is in an answer with an error, whatever its form."""
    details = _details(body)
    code = details.get("code") or details.get("type") or ""
    if status == 200:  # an error in the middle of a stream has its status, if any, in the code
        status = int(code) if str(code).isdigit() else _STATUS_OF.get(str(code), 500)
    return Refusal(
        status=status,
        message=_one_line(str(details.get("message") or "")),
        code=str(code),
        parameter=str(details.get("param") or ""),
        retry_after_seconds=retry_after(headers or {}),
    )


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """How many seconds the server asks to wait; None if it does not. Headers as in an HTTP library: any case."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("retry-after")
        if value is None:
            return None
        if re.fullmatch(r"\d+(\.\d+)?", value.strip()):
            return float(value)
        at = email.utils.parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None
    return max(0.0, at - (time.time() if now is None else now))


def as_error(
    refusal: Refusal, provider: Provider, model: str, *, key: str = "", listed: str = "", path: str = "chat/completions"
) -> ModelError:
    """The error to raise. `listed` says which models there are, for one that is unknown; `path` is what was asked."""
    who = f"{provider.title or provider.name} ({provider.host})"
    said = _without(refusal.message, key)
    detail = f": {said}" if said else ""
    if refusal.status in (401, 403):
        return ModelRejected(f"{who} refused {_credential(provider, key)}", hint=_key_hint(provider))
    if refusal.is_too_long:
        return ContextTooLong(
            f"the prompt is longer than {model} at {who} reads{detail}", hint="choose a model with a longer context"
        )
    if refusal.is_unknown_model:
        return ModelRejected(f"{who} has no model {model!r}", hint=_unknown_hint(provider, model, listed))
    if refusal.says_no_credit:
        return ModelRejected(f"the account at {who} has no credit left", hint="top it up, or choose another model")
    if refusal.status == 429:
        return ModelUnavailable(
            f"{who} asks to wait: too many requests",
            hint="try again later, or lower `concurrency`",
            retry_after_seconds=refusal.retry_after_seconds,
        )
    if refusal.status in _TRANSIENT or refusal.status >= 500:
        return ModelUnavailable(
            f"{who} cannot answer now: status {refusal.status}{detail}",
            hint="try again later",
            retry_after_seconds=refusal.retry_after_seconds,
        )
    if refusal.status == 404:
        return ModelRejected(
            f"there is no server of models at {who}: status 404{detail}",
            hint=f"the base URL ends before /{path.partition('?')[0]}, often with /v1",
        )
    return ModelRejected(f"{who} refused the request: status {refusal.status}{detail}")


def nonsense(provider: Provider, what: str) -> ModelUnavailable:
    """The error for an answer that is no completion."""
    return ModelUnavailable(
        f"{provider.title or provider.name} ({provider.host}) sent {what}",
        hint="is the base URL that of a server of models?" if "page" in what or "JSON" in what else "",
        doubtful=True,
    )


def _details(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        text = body[:4096].decode("utf-8", "replace").strip()
        return {} if text.startswith("<") else {"message": text}
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, dict):
        found = found.get("error") or found.get("detail") or found
    if isinstance(found, dict):
        return found
    return {"message": found if isinstance(found, str) else json.dumps(found)}


def _one_line(text: str) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"


def _without(text: str, key: str) -> str:
    return text.replace(key, "[key]") if len(key) >= 4 else text


def _credential(provider: Provider, key: str) -> str:
    if not key:
        return "a request without a key"
    return f"the key in {provider.key_variable}" if provider.key_variable else "the key"


def _unknown_hint(provider: Provider, model: str, listed: str) -> str:
    ways = [part for part in (provider.missing.format(model=model), listed) if part]
    return "; ".join(ways) or "name another one with --model"


def _key_hint(provider: Provider) -> str:
    return f"set {provider.key_variable} to a valid key" if provider.key_variable else "give a valid key"
