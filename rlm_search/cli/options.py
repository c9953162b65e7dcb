"""Options that several commands have, and what they mean together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from retrievers.protocols import RetrieverProtocol
    from retrievers.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


def index_options(command: F) -> F:
    """`--index` and `--config`."""
    command = click.option(
        "--config", type=_FILE, metavar="FILE", help="Settings, in place of rlm-search.toml here or above."
    )(command)
    return click.option(
        "--index",
        metavar="URL",
        help="The index: a folder, a URL of a server, or module:Class.  [default: .rlm-search/index]",
    )(command)


def json_option(command: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def read_settings(
    index: str | None, config: Path | None, flags: Mapping[str, Mapping[str, Any]] | None = None
) -> Settings:
    """The settings of a command, its flags first."""
    from retrievers.settings import load

    return load(flags={"index": {"url": index}, **(flags or {})}, config_file=config)


def open_index(settings: Settings) -> RetrieverProtocol:
    """The index that the settings name.

    Raises:
        RetrieverError: there is none, or it cannot be read.
    """
    from retrievers.registry import open_retriever
    from retrievers.settings import IndexSettings

    return open_retriever(settings.table("index", IndexSettings).url, settings=settings)
