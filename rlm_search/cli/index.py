"""`rlm-search index`: look after an index, and move it from one engine to another."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rlm_search.cli import printing
from rlm_search.cli.options import json_option, read_settings

if TYPE_CHECKING:
    from retrievers.protocols import Exports
    from retrievers.servers.versions import Versions
    from retrievers.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

DIFFERENT = 4
_TOLD = ("missing", "surplus", "different", "without_vectors", "other_vectors", "other_marks")


def _config_option(command: F) -> F:
    return click.option(
        "--config", type=click.Path(path_type=Path), metavar="FILE", help="Settings in place of rlm-search.toml."
    )(command)


@click.group()
def index() -> None:
    """Look after an index, and move it from one engine to another."""


@index.command()
@click.argument("url")
@_config_option
@json_option
def stats(url: str, config: Path | None, as_json: bool) -> int:
    """Count what the index at URL holds: documents, chunks, vectors, fields, languages."""
    from retrievers.errors import ConfigError
    from retrievers.protocols import Describes
    from retrievers.registry import open_retriever

    retriever = open_retriever(url, embedder="none", settings=read_settings(url, config))
    if not isinstance(retriever, Describes):
        raise ConfigError(f"the index {url} does not tell what it holds")
    described = retriever.describe()
    if as_json:
        printing.put_json({"index": url, **described})
        return 0
    printing.put(f"index      {url}" + (f" (embedder {described.embedder})" if described.embedder else ""))
    printing.put(f"documents  {described.documents:,}")
    printing.put(f"chunks     {described.chunks:,}, of which {described.vectors:,} have vectors")
    printing.put("languages  " + (", ".join(f"{each.value} {each.count:,}" for each in described.languages) or "none"))
    for each in described.fields:
        examples = ", ".join(printing.one_line(str(value)) for value in each.examples[:3])
        printing.put(f"  {each.name}  {each.type}, {each.documents:,} documents: {examples}")
    return 0


@index.command()
@click.argument("source")
@click.argument("target")
@_config_option
@json_option
def copy(source: str, target: str, config: Path | None, as_json: bool) -> int:
    """Move what the index SOURCE holds to TARGET, without parsing or embedding again.

    SOURCE stays as it is; documents that TARGET has already are replaced. Run it again after it was stopped. Exit code
    4 if TARGET would not take some of them.

    \b
    Example:
      rlm-search index copy .rlm-search/index opensearch://localhost:9200/archive
    """  # noqa: D301 - click reads the backspace character
    from retrievers.copying import Copied
    from retrievers.copying import copy as copy_index
    from retrievers.embedders.recorded import RecordedEmbedder
    from retrievers.registry import open_writer

    settings = read_settings(source, config)
    exports = _exports(source, settings)
    name, dimensions = exports.embedder()
    built_with = RecordedEmbedder(name=name, dimensions=dimensions) if name else None

    def told(copied: Copied, _: str) -> None:
        printing.tell(f"{copied.documents:,} documents, {copied.chunks:,} chunks, {copied.vectors:,} vectors")

    with ExitStack() as stack:
        writer = open_writer(target, embedder=built_with, settings=settings)
        stack.callback(writer.close)
        copied = copy_index(exports, writer, told=told)
    if as_json:
        counts = {"documents": copied.documents, "chunks": copied.chunks, "vectors": copied.vectors}
        printing.put_json({"source": source, "target": target, **counts, "refused": copied.refused})
    else:
        printing.put(f"{target} has {copied.documents:,} documents of {source}, {copied.vectors:,} vectors with them")
        for document_id, reason in copied.refused.items():
            printing.put(f"not taken: {document_id}: {printing.one_line(reason)}")
    return DIFFERENT if copied.refused else 0


@index.command()
@click.argument("url")
@click.argument("other", required=False)
@_config_option
@json_option
def verify(url: str, other: str | None, config: Path | None, as_json: bool) -> int:
    """Check the index at URL for gaps or, given OTHER, that both hold the same.

    Compared are texts, hashes, chunks, metadata, vectors, and which documents are near-duplicates. Exit code 4 if not.
    """
    from retrievers.copying import compare, gaps

    settings = read_settings(url, config)
    mine = _exports(url, settings)
    if other is None:
        wrong = list(gaps(mine))
        found: dict[str, Any] = {"index": url, "wrong": wrong}
        lines = wrong or [f"{url} has no gaps"]
        good = not wrong
    else:
        compared = compare(mine, _exports(other, settings))
        found = {"index": url, "other": other, **{name: getattr(compared, name) for name in compared.__slots__}}
        counts = (f"{found[name]:,} {name.replace('_', ' ')}" for name in found if name in _TOLD)
        lines = [f"{compared.documents:,} documents in both; {', '.join(counts)}", *compared.named]
        good = compared.is_same
    if as_json:
        printing.put_json(found)
    else:
        for line in lines:
            printing.put(line)
    return 0 if good else DIFFERENT


@index.command()
@click.argument("url")
@_config_option
@json_option
def versions(url: str, config: Path | None, as_json: bool) -> int:
    """List the versions of an index on a server; the one that readers see is marked."""
    with _versions(url, config) as known:
        seen, names = known.seen(), known.all()
    if as_json:
        printing.put_json({"index": url, "seen": seen, "versions": names})
        return 0
    for name in names:
        printing.put(f"{'*' if name == seen else ' '} {name}")
    return 0


@index.command()
@click.argument("url")
@click.argument("version")
@_config_option
def swap(url: str, version: str, config: Path | None) -> int:
    """Let readers of the index at URL see VERSION, in one step; the one they saw before is kept."""
    with _versions(url, config) as known:
        known.show(version, keep_old=True)
    printing.tell(f"{url} is {version} now")
    return 0


@index.command()
@click.argument("url")
@click.option("--version", "version", metavar="NAME", help="Only this version, which readers must not see.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_config_option
def delete(url: str, version: str | None, yes: bool, config: Path | None) -> int:
    """Delete an index on a server, all its versions. A folder is deleted as any other."""
    with _versions(url, config) as known:
        names = [version] if version else known.all()
        if not yes:
            click.confirm(f"Delete {', '.join(names) or 'nothing'}?", abort=True, err=True)
        known.delete(names, even_seen=version is None)
    printing.tell(f"deleted {', '.join(names) or 'nothing'}")
    return 0


def _exports(url: str, settings: Settings) -> Exports:
    from retrievers.copying import exporting
    from retrievers.registry import open_retriever

    return exporting(open_retriever(url, embedder="none", settings=settings), url)


def _versions(url: str, config: Path | None) -> Versions:
    from retrievers.errors import ConfigError
    from retrievers.registry import is_on_server
    from retrievers.servers.opening import open_versions
    from retrievers.settings import ServerSettings

    if not is_on_server(url):
        raise ConfigError(f"{url} is a folder: it has no versions", hint="versions are of indexes on a server")
    return open_versions(url, read_settings(url, config).table("server", ServerSettings))
