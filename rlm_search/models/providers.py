"""Where a model's server is: presets as data, their overrides, and whether it is another machine."""

from __future__ import annotations

import functools
import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from rlm_search.errors import ConfigError
from rlm_search.models.settings import ModelSettings, key, variable

_PATHS: Mapping[str, str] = {"chat": "chat/completions", "responses": "responses", "messages": "messages"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A server of models, and the protocol that it speaks.

    Attributes:
        base_url: up to and without `/chat/completions`.
        api: the protocol: `chat`, `responses`, `messages`.
        key_variable: the variable that holds the key; "" where none is needed.
        key_header: the header that it goes in; in `authorization` with `Bearer` before it.
        headers: sent with each request.
        paths: where a protocol is served, where not at its usual place; `{model}` stands for the model.
        default_model: for a spec without a model; "" takes the first that the server lists.
        max_tokens: what the limit of an answer's length is called there.
        is_free: whether a call costs nothing.
        reports_cost: whether the server says what a call has cost.
        away: what to do when it cannot be reached.
        missing: what to do when it does not have `{model}`.
        is_preset: whether `base_url` is the provider's own, and not one that was put in its place.
    """

    name: str
    base_url: str
    title: str = ""
    api: str = "chat"
    key_variable: str = ""
    key_header: str = "authorization"
    headers: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    default_model: str = ""
    max_tokens: str = "max_tokens"
    is_free: bool = False
    reports_cost: bool = False
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

    def path(self, api: str) -> str:
        """Where a protocol is served, below `base_url`."""
        return self.paths.get(api) or _PATHS.get(api, api)


def preset_names(*, found_by_key: bool = False) -> tuple[str, ...]:
    """The providers that are known by name; `found_by_key`: those that a key in the environment chooses."""
    return tuple(
        name
        for name, preset in _presets().items()
        if not found_by_key or (preset.get("key_variables") and not preset.get("named_only"))
    )


def known_variables() -> tuple[str, ...]:
    """Every variable of the environment that a preset looks at."""
    found: list[str] = []
    for preset in _presets().values():
        for key_ in ("key_variables", "base_url_variables", "version_variables"):
            found += preset.get(key_, ())
        found += [preset[key_] for key_ in ("account_variable", "host_variable") if key_ in preset]
        found += preset.get("header_variables", {}).values()
    return tuple(dict.fromkeys(found))


def provider(name: str, settings: ModelSettings, environment: Mapping[str, str] | None = None) -> Provider:
    """A preset with what the settings and the environment put in its place.

    Raises:
        ConfigError: there is no address, or it is none.
    """
    preset = _presets()[name]
    base_url = (settings.base_url or _from_environment(preset, environment) or preset["base_url"]).rstrip("/")
    _check(base_url, preset)
    version = variable(*preset.get("version_variables", ()), environment=environment) or preset.get("version", "")
    return Provider(
        name=name,
        title=preset["title"],
        base_url=base_url,
        api=preset.get("api", "chat"),
        key_variable=settings.key_variable or _key_variable(preset, environment),
        key_header=preset.get("key_header", "authorization"),
        headers={**preset.get("headers", {}), **_headers(preset, environment)},
        paths={api: path.replace("{version}", version) for api, path in preset.get("paths", {}).items()},
        default_model=preset.get("default_model", ""),
        max_tokens=preset.get("max_tokens", "max_tokens"),
        is_free=preset.get("is_free", False),
        reports_cost=preset.get("reports_cost", False),
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


def _from_environment(preset: Mapping[str, Any], environment: Mapping[str, str] | None) -> str:
    """The address that the environment gives, in the ways that a preset knows."""
    if url := variable(*preset.get("base_url_variables", ()), environment=environment):
        return url
    if "account_variable" in preset and (account := variable(preset["account_variable"], environment=environment)):
        return str(preset["account_url"]).replace("{account}", account)
    if "host_variable" in preset:
        return _url_from_host(variable(preset["host_variable"], environment=environment), preset["base_url"])
    return ""


def _key_variable(preset: Mapping[str, Any], environment: Mapping[str, str] | None) -> str:
    """The first variable that holds a key; the first of all where none does."""
    names: list[str] = preset.get("key_variables", [])
    return next((name for name in names if key(name, environment)), names[0] if names else "")


def _headers(preset: Mapping[str, Any], environment: Mapping[str, str] | None) -> dict[str, str]:
    given = {
        header: variable(name, environment=environment) for header, name in preset.get("header_variables", {}).items()
    }
    return {header: value for header, value in given.items() if value}


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


def _check(base_url: str, preset: Mapping[str, Any]) -> None:
    if not base_url:
        variables = [*preset.get("base_url_variables", ())[:1], preset.get("account_variable", "")]
        named = " or ".join(name for name in variables if name)
        raise ConfigError(f"no address for {preset['title']}", hint=f"set {named}, or `base_url` in [model]")
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
