"""Where specs and URLs become retrievers, writers and embedders."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from retrievers import plugins
from retrievers.embedders import LOCAL_EMBEDDERS, spec_of
from retrievers.errors import ConfigError
from retrievers.foreign import guarded
from retrievers.settings import EmbedderSettings, RetrieverSettings, ServerSettings, Settings, secret

if TYPE_CHECKING:
    from retrievers.protocols import Embedder, IndexWriter, RetrieverProtocol

DEFAULT_EMBEDDER = "minilm"

EMBEDDERS = {
    "minilm": "retrievers.embedders.onnx:open_minilm",
    "hashing": "retrievers.embedders.hashing:open_hashing",
    "sentence-transformers": "retrievers.embedders.sentence_transformers:open_sentence_transformers",
    "openai": "retrievers.embedders.openai:open_openai",
}
"""Built-in embedders: a factory `(argument, settings, key) -> Embedder`."""

SERVERS = tuple(f"{engine}{how}" for engine in ("opensearch", "elasticsearch") for how in ("", "+http", "+https"))
"""Schemes of URLs of an index on a server. The embedded engine is what a path means."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://")
_MODULE_AND_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_on_server(url: str | Path) -> bool:
    """Whether a URL names an index on a server."""
    scheme = _SCHEME.match(str(url))
    return scheme is not None and scheme[1] in SERVERS


def names_class(url: str | Path) -> bool:
    """Whether a URL names a class, `module:Class`: it can be asked, and not written to."""
    return _MODULE_AND_CLASS.fullmatch(str(url)) is not None and not Path(url).exists()


def open_embedder(spec: str = "", settings: EmbedderSettings | None = None) -> Embedder | None:
    """The embedder that a spec names; "none" is None, "" is the settings' or the default.

    Raises:
        ConfigError: an unknown spec, a missing extra or credential.
    """
    settings = settings or EmbedderSettings()
    spec = spec or settings.spec or DEFAULT_EMBEDDER
    if spec == "none":
        return None
    name = spec.partition(":")[0]
    factory, argument = plugins.load("rlm_search.embedders", spec, EMBEDDERS)
    if name in EMBEDDERS:
        return cast("Embedder", factory(argument, settings, secret(settings.key_variable)))
    return cast("Embedder", factory(argument) if argument else factory())


def open_retriever(
    url: str | Path,
    *,
    embedder: Embedder | Callable[[], Embedder] | str | None = None,
    settings: Settings | None = None,
    **options: Any,
) -> RetrieverProtocol:
    """Open an index, or a retriever of your own, for asking.

    Args:
        url: the folder of an embedded index, `SCHEME://…` of an engine or entry point, or `module:Class`.
        embedder: what turns queries into vectors: an embedder, a factory or a spec. None is the settings' or, where
            these are silent too, the one that the index was built with.
        settings: `[embedder]`, `[retriever]` and `[server]`; by default nothing is set.
        options: keyword arguments for a class of your own.

    Raises:
        ConfigError: nothing to open at this URL.
        IndexMismatch: the index was built with another embedder, or by a newer version.
    """
    url = str(url)
    settings = settings or Settings.of()
    about_embedder = settings.table("embedder", EmbedderSettings)
    asked = settings.table("retriever", RetrieverSettings)
    if is_on_server(url):
        from retrievers.servers.opening import open_server_retriever

        return open_server_retriever(
            url,
            embedder=_embedder_named(embedder, about_embedder),
            settings=settings.table("server", ServerSettings),
            asked=asked,
        )
    if scheme := _SCHEME.match(url):
        _refuse_must(url, asked.must)
        return _by_scheme(scheme[1], url, options)
    if names_class(url):
        _refuse_must(url, asked.must)
        factory, _ = plugins.load("rlm_search.retrievers", url, {})
        with guarded(factory):
            return cast("RetrieverProtocol", factory(**options))
    from retrievers.embedded import EmbeddedRetriever

    return EmbeddedRetriever(Path(url), embedder=_embedder_for(Path(url), embedder, about_embedder), must=asked.must)


def open_writer(
    url: str | Path, *, embedder: Embedder | None, settings: Settings | None = None, rebuild: bool = False
) -> IndexWriter:
    """Open an index for writing, making a new one where there is none.

    Args:
        url: the folder of an embedded index, or the URL of one on a server.
        embedder: what its vectors are made with; None for an index without vectors.
        settings: `[server]`; by default nothing is set.
        rebuild: on a server, fill a new version that takes the place of the old one when the writer is closed.

    Raises:
        ConfigError: this URL cannot be written to.
        IndexLocked: another process writes to it.
        IndexMismatch: the index was built with another embedder, or by a newer version.
    """
    url = str(url)
    if scheme := _SCHEME.match(url):
        if scheme[1] not in SERVERS:
            raise _no_engine(scheme[1])
        from retrievers.servers.opening import open_server_writer

        server = (settings or Settings.of()).table("server", ServerSettings)
        return open_server_writer(url, embedder=embedder, settings=server, rebuild=rebuild)
    from retrievers.embedded import EmbeddedWriter

    return EmbeddedWriter(
        Path(url),
        embedder_name=embedder.name if embedder else "",
        dimensions=embedder.dimensions if embedder else 0,
    )


def recorded_embedder(url: str, settings: Settings | None = None) -> tuple[str, int]:
    """Name and dimensions of the embedder that an index on a server was built with, ("", 0) without vectors.

    Raises:
        ConfigError: there is no such index.
        EngineUnavailable: the server does not answer.
    """
    from retrievers.servers.opening import recorded

    return recorded(url, (settings or Settings.of()).table("server", ServerSettings))


def _by_scheme(scheme: str, url: str, options: dict[str, Any]) -> RetrieverProtocol:
    try:
        factory, _ = plugins.load("rlm_search.retrievers", scheme, {})
    except ConfigError:
        raise _no_engine(scheme) from None
    with guarded(factory):
        return cast("RetrieverProtocol", factory(url, **options))


def _no_engine(scheme: str) -> ConfigError:
    known = ", ".join(f"{name}://" for name in plugins.names("rlm_search.retrievers", ("opensearch", "elasticsearch")))
    return ConfigError(f"no engine for `{scheme}://`", hint=f"a path opens the embedded engine; schemes: {known}")


def _refuse_must(url: str, must: Mapping[str, Any]) -> None:
    """A filter that nobody may get around is no use where the engine does not hold to it."""
    if must:
        raise ConfigError(
            f"the index {url} cannot be held to `retriever.must`",
            hint="mandatory filters are for the engines of this package: a folder, OpenSearch, Elasticsearch",
        )


def _embedder_named(
    given: Embedder | Callable[[], Embedder] | str | None, settings: EmbedderSettings
) -> Callable[[str], Embedder] | None:
    """A factory for a server's reader, which tells what its index was built with when it needs a vector."""
    if given is None or isinstance(given, str):
        spec = given or settings.spec
        return None if spec == "none" else lambda name: _opened(spec or _local_spec(name), settings)
    if callable(given):
        made: Callable[[], Embedder] = given
        return lambda _: made()
    chosen = given
    return lambda _: chosen


def _local_spec(name: str) -> str:
    if name.startswith(LOCAL_EMBEDDERS):
        return spec_of(name)
    if not name:
        raise ConfigError(
            "it is not known which embedder made the vectors", hint="name it: spec in the table [embedder]"
        )
    raise ConfigError(
        f"the index was built with the embedder {name}",
        hint=f"say so: RLM_SEARCH_EMBEDDER__SPEC={name}, or spec = {name!r} in the table [embedder] of rlm-search.toml",
    )


def _embedder_for(
    path: Path, given: Embedder | Callable[[], Embedder] | str | None, settings: EmbedderSettings
) -> Callable[[], Embedder] | None:
    """A factory for the reader: nothing is loaded before a search needs a vector, another embedder is refused now."""
    if callable(given):
        return given
    given = given or settings.spec
    if given == "none":
        return None
    if not given:
        return lambda: _opened(_own_embedder(path), settings)
    chosen = _opened(given, settings) if isinstance(given, str) else given
    _refuse_another(path, chosen)
    return lambda: chosen


def _refuse_another(path: Path, embedder: Embedder) -> None:
    from retrievers.embedded import embedder_of
    from retrievers.embedded.reader import mismatch

    built = embedder_of(path)
    if built and built != embedder.name:
        raise mismatch(path, built, embedder.name)


def _own_embedder(path: Path) -> str:
    from retrievers.embedded import embedder_of

    name = embedder_of(path)
    if not name or name.startswith(LOCAL_EMBEDDERS):
        return spec_of(name) or DEFAULT_EMBEDDER
    raise ConfigError(
        f"the index {path} was built with the embedder {name}",
        hint=f"say so: RLM_SEARCH_EMBEDDER__SPEC={name}, or spec = {name!r} in the table [embedder] of rlm-search.toml",
    )


def _opened(spec: str, settings: EmbedderSettings) -> Embedder:
    embedder = open_embedder(spec, settings)
    if embedder is None:
        raise ConfigError("this search needs an embedder, and `none` was given", hint="search by words: --mode lexical")
    return embedder
