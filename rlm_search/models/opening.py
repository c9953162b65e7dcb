"""From a spec and settings to a model that is ready to be asked: adapter, price, quota, retries, cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rlm_search.errors import ConfigError, ModelUnavailable
from rlm_search.models.detect import EXTRACTIVE, Choice, choose, served_models
from rlm_search.models.facts import FREE, ModelFacts, Price, facts_of, known_facts, window_of
from rlm_search.models.providers import Provider, preset_names, provider
from rlm_search.models.settings import ModelSettings, key

if TYPE_CHECKING:
    from rlm_search.models.limited import Quota
    from rlm_search.types import Model

MODELS = {
    "extractive": "rlm_search.models.extractive:ExtractiveModel",
    "scripted": "rlm_search.models.scripted:read_script",
    "cassette": "rlm_search.models.cassette:read_cassette",
    **dict.fromkeys(preset_names(), "rlm_search.models.http:HttpModel"),
    "claude": "rlm_search.models.claude_cli:ClaudeCli",
    "any-llm": "rlm_search.models.any_llm:AnyLlmModel",
    "bedrock": "rlm_search.models.any_llm:AnyLlmModel",
    "vertexai": "rlm_search.models.any_llm:AnyLlmModel",
}
"""Built-in models by the name that a spec begins with."""
_OF_FILES = {"scripted": "a file of replies", "cassette": "a recorded run"}
_BY_LIBRARY = ("any-llm", "bedrock", "vertexai")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedModel:
    """A model ready to be asked.

    Attributes:
        model: wrapped: `Cached(Retrying(Limited(Priced(adapter))))`.
        spec: what it was opened by, with the name of the model where the server was asked for it.
        origin: the variable or server by which it was found, "" where it was named.
        provider: where it is; None for one that runs in this process.
    """

    model: Model
    spec: str
    origin: str = ""
    provider: Provider | None = None

    @property
    def is_remote(self) -> bool:
        """Whether what is asked leaves this machine."""
        return self.provider is not None and self.provider.is_remote

    @property
    def is_language_model(self) -> bool:
        """False for the extractive reader, which quotes and does not reason."""
        return self.spec != EXTRACTIVE

    @property
    def tells_cost(self) -> bool:
        """Whether it will be known what its calls cost; a model in this process is trusted to say."""
        if self.provider is None or self.provider.reports_cost:
            return True
        return facts_of(self.model).price is not None


@dataclass(slots=True)
class Quotas:
    """The quotas of all servers that are asked; models of one server share one, the first that is opened sets it."""

    _by_server: dict[str, Quota] = field(default_factory=dict)

    def of(self, server: str, settings: ModelSettings) -> Quota:
        """The quota of a server."""
        from rlm_search.models.limited import Quota

        if server not in self._by_server:
            self._by_server[server] = Quota(
                concurrency=settings.concurrency,
                requests_per_minute=settings.requests_per_minute,
                tokens_per_minute=settings.tokens_per_minute,
            )
        return self._by_server[server]


def open_model(
    settings: ModelSettings, environment: Mapping[str, str] | None = None, quotas: Quotas | None = None
) -> OpenedModel:
    """The model that the settings name, or the first that is there to be used.

    Raises:
        ConfigError: an unknown spec, a missing credential.
        ModelUnavailable: no model was named, and the server does not tell which it has.
    """
    choice = choose(settings, environment)
    quotas = quotas or Quotas()
    name, _, argument = choice.spec.partition(":")
    if name in preset_names():
        return _from_provider(choice, provider(name, settings, environment), argument, settings, environment, quotas)
    if name == "claude":
        return _from_command(choice, argument, settings, quotas)
    if name in _BY_LIBRARY:
        return _from_library(choice, settings, quotas)
    model = _in_process(choice.spec, argument)
    if settings.cache and choice.spec != EXTRACTIVE:
        model = _cached(model, settings, server=choice.spec)
    return OpenedModel(model=model, spec=choice.spec, origin=choice.origin)


def _in_process(spec: str, argument: str) -> Model:
    from retrievers import plugins

    factory, given = plugins.load("rlm_search.models", spec, MODELS)
    name = spec.partition(":")[0]
    if name in _OF_FILES:
        if not argument:
            raise ConfigError(f"`{name}` needs {_OF_FILES[name]}", hint=f"{name}:FILE; see docs/models.md")
        return cast("Model", factory(Path(argument)))
    return cast("Model", factory(given) if given else factory())


def _from_provider(
    choice: Choice,
    where: Provider,
    model: str,
    settings: ModelSettings,
    environment: Mapping[str, str] | None,
    quotas: Quotas,
) -> OpenedModel:
    from rlm_search.models.http import HttpModel

    credential = _credential(where, environment)
    named = model or (where.default_model if where.is_preset else "") or _first_served(where, credential)
    facts = _facts(where, named, settings)
    adapter = HttpModel(named, where, key=credential, settings=settings, facts=facts)
    wrapped = _wrapped(adapter, facts, settings, quotas.of(where.base_url, settings))
    if settings.cache:
        wrapped = _cached(wrapped, settings, server=where.base_url)
    return OpenedModel(model=wrapped, spec=f"{where.name}:{named}", origin=choice.origin, provider=where)


def _from_command(choice: Choice, model: str, settings: ModelSettings, quotas: Quotas) -> OpenedModel:
    from rlm_search.models.claude_cli import ClaudeCli

    adapter = ClaudeCli(model, settings=settings)
    facts = _overridden(adapter.facts, settings)
    wrapped = _wrapped(adapter, facts, settings, quotas.of("claude", settings))
    if settings.cache:
        wrapped = _cached(wrapped, settings, server="claude")
    return OpenedModel(model=wrapped, spec=adapter.name, origin=choice.origin, provider=adapter.provider)


def _from_library(choice: Choice, settings: ModelSettings, quotas: Quotas) -> OpenedModel:
    from rlm_search.models.any_llm import AnyLlmModel

    spec = choice.spec.removeprefix("any-llm:")
    adapter = AnyLlmModel(spec, settings=settings)
    facts = _overridden(adapter.facts, settings)
    wrapped = _wrapped(adapter, facts, settings, quotas.of(adapter.provider.base_url, settings))
    if settings.cache:
        wrapped = _cached(wrapped, settings, server=adapter.provider.base_url)
    return OpenedModel(model=wrapped, spec=choice.spec, origin=choice.origin, provider=adapter.provider)


def _wrapped(adapter: Model, facts: ModelFacts, settings: ModelSettings, quota: Quota) -> Model:
    from rlm_search.models.limited import LimitedModel
    from rlm_search.models.priced import PricedModel
    from rlm_search.models.retrying import RetryingModel

    return RetryingModel(LimitedModel(PricedModel(adapter, facts), quota), settings.retry_seconds)


def _cached(model: Model, settings: ModelSettings, *, server: str) -> Model:
    import msgspec

    from rlm_search.models.cached import CachedModel

    sampling = (settings.temperature, settings.max_tokens, settings.native_tools, settings.api, settings.extra)
    return CachedModel(
        model,
        Path(settings.cache).expanduser(),
        server=server,
        sampling=msgspec.json.encode(sampling, order="deterministic").decode(),
        megabytes=settings.cache_mb,
    )


def _facts(where: Provider, model: str, settings: ModelSettings) -> ModelFacts:
    """What is known of a model where it is: prices are those of the provider's own address."""
    facts = known_facts(where.name, model)
    if not where.is_preset:
        facts = replace(facts, price=None)
    elif where.is_remote and not facts.window:  # one on this machine may read less than the model can
        facts = replace(facts, window=window_of(model))
    if facts.price is None and (where.is_free or not (where.is_remote or where.reports_cost)):
        facts = replace(facts, price=FREE)
    return _overridden(facts, settings)


def _overridden(facts: ModelFacts, settings: ModelSettings) -> ModelFacts:
    if (settings.input_price is None) != (settings.output_price is None):
        raise ConfigError(
            "`input_price` and `output_price` belong together", hint="give both, in US dollars for a million"
        )
    if settings.input_price is not None and settings.output_price is not None:
        facts = replace(facts, price=Price(input=settings.input_price, output=settings.output_price))
    return replace(facts, window=settings.window or facts.window)


def _credential(where: Provider, environment: Mapping[str, str] | None) -> str:
    credential = key(where.key_variable, environment)
    if where.key_variable and not credential and where.is_preset and where.is_remote:
        raise ConfigError(
            f"no key for {where.title}: the variable {where.key_variable} is not set",
            hint=f"export {where.key_variable}=…, or name a local model: --model ollama:NAME",
        )
    return credential


def _first_served(where: Provider, credential: str) -> str:
    models = served_models(where.base_url, key=credential, seconds=5.0)
    if not models:
        raise ModelUnavailable(f"{where.title} at {where.host} names no model to use", hint=where.away or where.missing)
    return models[0]
