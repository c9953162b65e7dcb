"""Which model to use where none was named: a key in the environment, Ollama on this machine, or none at all."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from rlm_search.models.providers import preset_names, provider
from rlm_search.models.settings import ModelSettings, key

EXTRACTIVE = "extractive"
_PROBE_SECONDS = 0.3
_NO_CHAT = re.compile(r"embed|minilm|(^|[/_-])bge|rerank|whisper|tts", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The model to use and why: `origin` names the variable or server that it was found by."""

    spec: str
    origin: str = ""


def choose(settings: ModelSettings, environment: Mapping[str, str] | None = None) -> Choice:
    """The settings' own model; else the first provider with a key; else Ollama; else the extractive reader."""
    if settings.spec:
        return Choice(spec=settings.spec)
    if settings.base_url:
        return Choice(spec="openai", origin="base_url")
    for name in preset_names(found_by_key=True):
        found = provider(name, settings, environment)
        if found.key_variable and key(found.key_variable, environment):
            return Choice(spec=name, origin=found.key_variable)
    ollama = provider("ollama", settings, environment)
    models = served_models(ollama.base_url)
    if models:
        return Choice(spec=f"ollama:{models[0]}", origin=f"Ollama at {ollama.host}")
    return Choice(spec=EXTRACTIVE)


def served_models(base_url: str, *, key: str = "", seconds: float = _PROBE_SECONDS) -> list[str]:
    """The models for conversation that a server lists, in its order; none where it does not answer in time.

    Plain `http.client`: a command that only probes does not pay for an HTTP library.
    """
    parts = urlsplit(base_url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "localhost", parts.port, timeout=seconds)
    try:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        connection.request("GET", f"{parts.path}/models", headers=headers)
        answer = connection.getresponse()
        entries = json.loads(answer.read(1_000_000))["data"] if answer.status == http.HTTPStatus.OK else []
        return [str(entry["id"]) for entry in entries or () if not _NO_CHAT.search(str(entry["id"]))]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return []
    finally:
        connection.close()
