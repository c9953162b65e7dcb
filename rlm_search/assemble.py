"""The one place that builds the object graph of a run from settings, specs and URLs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rlm_search.errors import ConfigError, ModelUnavailable
from rlm_search.models.detect import EXTRACTIVE, Choice, choose, served_models
from rlm_search.models.providers import Provider, preset_names, provider
from rlm_search.models.settings import ModelSettings, key
from rlm_search.settings import LimitSettings, SandboxSettings

if TYPE_CHECKING:
    from retrievers.protocols import RetrieverProtocol
    from retrievers.settings import Settings
    from rlm_search.rlm import RLM
    from rlm_search.trace.trace import Listener
    from rlm_search.types import Model, Sandbox

MODELS = {
    "extractive": "rlm_search.models.extractive:ExtractiveModel",
    "scripted": "rlm_search.models.scripted:read_script",
    **dict.fromkeys(preset_names(), "rlm_search.models.openai:OpenAIModel"),
}
"""Built-in models by the name that a spec begins with."""

SANDBOXES = {"confined": "rlm_search.sandbox.confined:ConfinedSandbox"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedModel:
    """A model ready to be asked.

    Attributes:
        model: wrapped: `Cached(Retrying(Limited(adapter)))`.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """What a command needs to answer questions."""

    rlm: RLM
    model: OpenedModel
    sub_model: OpenedModel


def assemble(settings: Settings, *, listeners: Sequence[Listener] = (), require_citations: bool = False) -> Assembled:
    """Build everything that `[index] [embedder] [model] [sub_model] [limits] [sandbox]` say.

    Raises:
        ConfigError: a setting, a credential or an extra is missing or wrong, or there is no index.
        ModelUnavailable: the server that is to be asked for its first model does not answer.
    """
    from rlm_search.rlm import RLM

    retriever = _retriever(settings)
    model = open_model(settings.table("model", ModelSettings))
    sub_settings = settings.table("sub_model", ModelSettings)
    sub_model = open_model(sub_settings) if sub_settings.spec else model
    sandbox = settings.table("sandbox", SandboxSettings)
    rlm = RLM(
        model=model.model,
        sub_model=sub_model.model,
        retriever=retriever,
        limits=settings.table("limits", LimitSettings).limits(),
        sandbox=sandbox_factory(sandbox),
        listeners=listeners,
        require_citations=require_citations,
        cell_seconds=sandbox.cell_seconds,
        output_characters=sandbox.output_characters,
    )
    return Assembled(rlm=rlm, model=model, sub_model=sub_model)


def open_model(settings: ModelSettings, environment: Mapping[str, str] | None = None) -> OpenedModel:
    """The model that the settings name, or the first that is there to be used.

    Raises:
        ConfigError: an unknown spec, a missing credential.
        ModelUnavailable: no model was named, and the server does not tell which it has.
    """
    choice = choose(settings, environment)
    name, _, argument = choice.spec.partition(":")
    if name in preset_names():
        return _from_provider(choice, provider(name, settings, environment), argument, settings, environment)
    return OpenedModel(model=_in_process(choice.spec, argument), spec=choice.spec, origin=choice.origin)


def model_of(model: Model | str) -> Model:
    """A model itself, or the one that a spec names."""
    if not isinstance(model, str):
        return model
    return open_model(ModelSettings(spec=model)).model


def retriever_of(retriever: RetrieverProtocol | str | Path | None) -> RetrieverProtocol | None:
    """A retriever whose results are ours, or the index at a path or URL."""
    if not isinstance(retriever, str | Path):
        return retriever
    from retrievers.registry import open_retriever

    return open_retriever(retriever)


def default_sandbox() -> Sandbox:
    """A confined process, not started yet."""
    from rlm_search.sandbox.confined import ConfinedSandbox

    return ConfinedSandbox()


def sandbox_factory(settings: SandboxSettings) -> Callable[[], Sandbox]:
    """What makes the sandbox of each run.

    Raises:
        ConfigError: an unknown spec.
    """
    from retrievers import plugins

    factory, _ = plugins.load("rlm_search.sandboxes", settings.spec, SANDBOXES)
    if settings.spec != "confined":
        return cast("Callable[[], Sandbox]", factory)
    from rlm_search.sandbox.protocol import SandboxLimits

    limits = replace(SandboxLimits(), memory_bytes=settings.memory_mb * 1024 * 1024)
    return lambda: cast("Sandbox", factory(limits))


def _retriever(settings: Settings) -> RetrieverProtocol:
    from retrievers.registry import open_retriever
    from retrievers.settings import IndexSettings

    return open_retriever(settings.table("index", IndexSettings).url, settings=settings)


def _in_process(spec: str, argument: str) -> Model:
    from retrievers import plugins

    factory, given = plugins.load("rlm_search.models", spec, MODELS)
    if spec.partition(":")[0] == "scripted":
        if not argument:
            raise ConfigError("`scripted` needs a file of replies", hint="scripted:FILE; see docs/models.md")
        return cast("Model", factory(Path(argument)))
    return cast("Model", factory(given) if given else factory())


def _from_provider(
    choice: Choice, where: Provider, model: str, settings: ModelSettings, environment: Mapping[str, str] | None
) -> OpenedModel:
    from rlm_search.models.cached import CachedModel
    from rlm_search.models.limited import LimitedModel
    from rlm_search.models.openai import OpenAIModel
    from rlm_search.models.retrying import RetryingModel

    credential = _credential(where, environment)
    named = model or (where.default_model if where.is_preset else "") or _first_served(where, credential)
    adapter = OpenAIModel(named, where, key=credential, settings=settings)
    wrapped: Model = RetryingModel(LimitedModel(adapter, settings.concurrency), settings.retry_seconds)
    if settings.cache:
        wrapped = CachedModel(wrapped, Path(settings.cache), server=where.base_url)
    return OpenedModel(model=wrapped, spec=f"{where.name}:{named}", origin=choice.origin, provider=where)


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
        raise ModelUnavailable(f"{where.title} at {where.host} names no model to use", hint=where.away)
    return models[0]
