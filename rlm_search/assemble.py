"""The one place that builds the object graph of a run from settings, specs and URLs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from rlm_search.compaction import HistoryPolicy
from rlm_search.context_engineer import ContextEngineer
from rlm_search.errors import ConfigError
from rlm_search.estimates import Approval
from rlm_search.gates import Gates
from rlm_search.models.opening import OpenedModel, Quotas, open_model
from rlm_search.models.settings import ModelSettings, RootModelSettings
from rlm_search.settings import (
    ContextEngineerSettings,
    HistorySettings,
    LimitSettings,
    PromptSettings,
    SandboxSettings,
    ToolSettings,
)

if TYPE_CHECKING:
    from retrievers.protocols import RetrieverProtocol
    from retrievers.settings import Settings
    from rlm_search.rlm import RLM
    from rlm_search.trace.trace import Listener
    from rlm_search.types import Model, Sandbox

SANDBOXES = {
    "confined": "rlm_search.sandbox.confined:ConfinedSandbox",
    "container": "rlm_search.sandbox.container:container_sandbox",
    "monty": "rlm_search.sandbox.monty:monty_sandbox",
    **dict.fromkeys(("modal", "prime", "daytona", "e2b"), "rlm_search.sandbox.remote:remote_sandbox"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """What a command needs to answer questions.

    `others` are the models of runs at depth 1, 2 and so on, of the context engineer and of the verifier.
    """

    rlm: RLM
    model: OpenedModel
    sub_model: OpenedModel
    others: tuple[OpenedModel, ...] = ()

    @property
    def models(self) -> tuple[OpenedModel, ...]:
        """All of them."""
        return self.model, self.sub_model, *self.others


def assemble(
    settings: Settings,
    *,
    listeners: Sequence[Listener] = (),
    require_citations: bool = False,
    verify: bool = False,
    verifier: str = "",
    approval: Approval | None = None,
    has_index: bool = True,
) -> Assembled:
    """Build everything that the tables of a run say, from `[index]` to `[sandbox]`.

    Args:
        settings: what they say.
        listeners: are given every event.
        require_citations: an answer without one that holds is not returned.
        verify: claims of an answer are checked against their quotes by the sub-model.
        verifier: the spec of another model for that.
        approval: is asked before calls that together cost much.
        has_index: False for runs on given text alone.

    Raises:
        ConfigError: a setting, a credential or an extra is missing or wrong, or there is no index.
        ModelUnavailable: the server that is to be asked for its first model does not answer.
    """
    from rlm_search.rlm import RLM
    from rlm_search.tools.configured import functions_of, policy_of, rerankers_of

    retriever = _retriever(settings) if has_index else None
    quotas = Quotas()
    model, sub_model, deeper = _models(settings, quotas)
    engineer, writer = _engineer(settings, quotas)
    checker = _another(settings, quotas, verifier) if verify else None
    others = (*deeper, *(opened for opened in (writer, checker) if opened is not None))
    limits = settings.table("limits", LimitSettings).limits()
    if limits.cost_usd is not None:
        _refuse_unknown_prices((model, sub_model, *others))
    sandbox = settings.table("sandbox", SandboxSettings)
    tools = settings.table("tools", ToolSettings)
    rlm = RLM(
        model=model.model,
        sub_model=sub_model.model,
        deeper_models=[opened.model for opened in deeper],
        retriever=retriever,
        limits=limits,
        history=HistoryPolicy(**msgspec.structs.asdict(settings.table("history", HistorySettings))),
        sandbox=sandbox_factory(sandbox),
        approval=approval,
        rerankers=rerankers_of(tools),
        doc_tools=policy_of(tools),
        tools=functions_of(tools),
        compact_prompt=settings.table("prompt", PromptSettings).compact,
        context_engineer=engineer,
        listeners=listeners,
        require_citations=require_citations,
        verify=verify,
        verifier=checker.model if checker else None,
        gates=settings.table("gates", Gates),
        cell_seconds=sandbox.cell_seconds,
        output_characters=sandbox.output_characters,
    )
    return Assembled(rlm=rlm, model=model, sub_model=sub_model, others=others)


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
    """A confined process, or what this machine gives in its place, not started yet."""
    return sandbox_factory(SandboxSettings())()


def sandbox_factory(settings: SandboxSettings) -> Callable[[], Sandbox]:
    """What makes the sandbox of each run.

    Raises:
        ConfigError: an unknown spec, or what it names is not installed.
    """
    from retrievers import plugins
    from rlm_search.sandbox import choosing

    spec = choosing.chosen() if settings.spec == "auto" else settings.spec
    factory, _ = plugins.load("rlm_search.sandboxes", spec, SANDBOXES)
    if spec not in SANDBOXES:
        return cast("Callable[[], Sandbox]", factory)
    from rlm_search.sandbox.protocol import SandboxLimits

    limits = replace(SandboxLimits(), memory_bytes=settings.memory_mb * 1024 * 1024)
    arguments: dict[str, Any] = {}
    if spec == "container":
        from rlm_search.sandbox.container import Container

        arguments["container"] = Container(engine=settings.engine, image=settings.image, runtime=settings.runtime)
    elif spec in ("modal", "prime", "daytona", "e2b"):
        factory = partial(factory, spec)
        arguments["image"] = settings.image
        factory(limits, **arguments)  # so that a missing library is told now
    elif spec == "confined" and settings.bubblewrap:
        from rlm_search.sandbox.bubblewrap import ringed

        arguments["launch"] = ringed
    elif spec == "monty":
        arguments["cell_seconds"] = settings.cell_seconds
        plugins.require("pydantic_monty", extra="monty", purpose="the sandbox `monty`")
    return lambda: cast("Sandbox", factory(limits, **arguments))


def _retriever(settings: Settings) -> RetrieverProtocol:
    from retrievers.registry import open_retriever
    from retrievers.settings import IndexSettings

    return open_retriever(settings.table("index", IndexSettings).url, settings=settings)


def _models(settings: Settings, quotas: Quotas) -> tuple[OpenedModel, OpenedModel, tuple[OpenedModel, ...]]:
    """Root, sub, and those of deeper runs; models of one server share its quota."""
    _refuse_misplaced(settings)
    root = settings.table("model", RootModelSettings)
    model = open_model(root, quotas=quotas)
    sub = _sub_settings(settings, root, model)
    sub_model = open_model(sub, quotas=quotas) if sub is not None else model
    deeper = tuple(open_model(_elsewhere(root, spec), quotas=quotas) for spec in root.deeper)
    return model, sub_model, deeper


def _engineer(settings: Settings, quotas: Quotas) -> tuple[ContextEngineer | None, OpenedModel | None]:
    """The context engineer, and its model where that is not the sub-model."""
    wanted = settings.table("context_engineer", ContextEngineerSettings)
    if wanted.mode == "off":
        return None, None
    writer = _another(settings, quotas, wanted.spec)
    model = writer.model if writer else None
    return ContextEngineer(mode=wanted.mode, share_brief=wanted.share_brief, model=model), writer


def _another(settings: Settings, quotas: Quotas, spec: str) -> OpenedModel | None:
    """A further model, of the root model's settings; None without a spec."""
    root = settings.table("model", RootModelSettings)
    return open_model(_elsewhere(root, spec), quotas=quotas) if spec else None


def _sub_settings(settings: Settings, root: ModelSettings, model: OpenedModel) -> ModelSettings | None:
    """The settings of the sub-model: its own; those of the root model but for what `[sub_model]` says; or None."""
    sub = settings.table("sub_model", ModelSettings)
    given = settings.given("sub_model") - {"spec"}
    if sub.spec:
        return sub
    if not given or model.provider is None:
        return None
    own = {name: getattr(sub, name) for name in given}
    return msgspec.structs.replace(root, spec=model.spec, **own)


def _refuse_misplaced(settings: Settings) -> None:
    """Limits hold for a run, not for a model, whatever other tools do."""
    limits = {f"{prefix}{name}": name for name in LimitSettings.__struct_fields__ for prefix in ("", "max_")}
    for table in ("model", "sub_model"):
        for key in sorted(settings.given(table) & limits.keys()):
            raise ConfigError(
                f"`{table}.{key}` is no setting of a model: it limits a run", hint=f"put `{limits[key]}` into [limits]"
            )


def _elsewhere(root: ModelSettings, spec: str) -> ModelSettings:
    """The settings of the root model for another one, without what is true of that one alone."""
    return msgspec.structs.replace(
        root, spec=spec, base_url="", key_variable="", api="", window=0, input_price=None, output_price=None
    )


def _refuse_unknown_prices(models: Sequence[OpenedModel]) -> None:
    for opened in models:
        if not opened.tells_cost:
            raise ConfigError(
                f"`limits.cost_usd` cannot be kept: the price of {opened.spec} is not known",
                hint="give `input_price` and `output_price` in [model], in US dollars for a million tokens",
            )
