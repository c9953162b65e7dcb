"""Where a model's server is: presets as data, their overrides, and whether it is another machine."""

from __future__ import annotations

import functools
import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from rlm_search.errors import ConfigError
from rlm_search.models.settings import ModelSettings, variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A server that speaks the OpenAI chat completions protocol.

    Attributes:
        base_url: up to and without `/chat/completions`.
        key_variable: the variable that holds the key; "" where none is needed.
        default_model: for a spec without a model; "" takes the first that the server lists.
        max_tokens: what the limit of an answer's length is called there.
        away: what to do when it cannot be reached.
        missing: what to do when it does not have `{model}`.
        is_preset: whether `base_url` is the provider's own, and not one that was put in its place.
    """

    name: str
    base_url: str
    title: str = ""
    key_variable: str = ""
    default_model: str = ""
    max_tokens: str = "max_tokens"
    away: str = ""
    missing: str = ""
    is_preset: bool = False

    @property
    def host(self) -> str:
        """Host and port, without anything secret that the URL may hold."""
        return host_of(self.base_url)

    @property
    def is_remote(self) -> bool:
        """Whether what is asked leaves this machine."""
        return is_remote(self.base_url)


def preset_names() -> tuple[str, ...]:
    """The providers that are known by name."""
    return tuple(_presets())


def provider(name: str, settings: ModelSettings, environment: Mapping[str, str] | None = None) -> Provider:
    """A preset with what the settings and the environment put in its place.

    Raises:
        ConfigError: the address is none.
    """
    preset = _presets()[name]
    base_url = (
        settings.base_url
        or variable(*preset.get("base_url_variables", ()), environment=environment)
        or _url_from_host(variable(preset.get("host_variable", ""), environment=environment), preset["base_url"])
    ).rstrip("/")
    _check(base_url)
    return Provider(
        name=name,
        title=preset["title"],
        base_url=base_url,
        key_variable=settings.key_variable or preset.get("key_variable", ""),
        default_model=preset.get("default_model", ""),
        max_tokens=preset.get("max_tokens", "max_tokens"),
        away=preset.get("away", ""),
        missing=preset.get("missing", ""),
        is_preset=base_url == preset["base_url"],
    )


def host_of(url: str) -> str:
    """Host and port of a URL; user, password, path and query stay out."""
    return urlsplit(url).netloc.rpartition("@")[2]


def is_remote(url: str) -> bool:
    """Whether a URL leads to another machine: everything but a loopback address does."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


@functools.cache
def _presets() -> dict[str, dict[str, Any]]:
    return tomllib.loads(resources.files("rlm_search.models").joinpath("presets.toml").read_text(encoding="utf-8"))


def _url_from_host(host: str, default: str) -> str:
    """What a variable such as OLLAMA_HOST means: `host`, `host:port`, `:port` or a URL; 0.0.0.0 is this machine."""
    if not host:
        return default
    parts = urlsplit(host if "://" in host else f"http://{host}")
    name = parts.hostname or "localhost"
    if name in ("0.0.0.0", "::"):  # noqa: S104 - where a server listens, not where we do
        name = "localhost"
    if ":" in name:
        name = f"[{name}]"
    try:
        port = parts.port or (urlsplit(default).port if parts.scheme == "http" else 443)
    except ValueError:
        raise ConfigError(f"{host_of(parts.geturl())} is no host and port of a model's server") from None
    return f"{parts.scheme}://{name}:{port}{parts.path.rstrip('/')}/v1"


def _check(base_url: str) -> None:
    try:
        parts = urlsplit(base_url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid:
        raise ConfigError(
            "the base URL of the model's server is no http:// or https:// address",
            hint="such as http://localhost:8000/v1, without /chat/completions",
        )
