"""Options for text that a model works on, in place of an index or beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rlm_search.context import Context

F = TypeVar("F", bound=Callable[..., Any])
_ALL = "**/*"


def context_options(command: F) -> F:
    """`--context-file`, `--context-dir` and `--context-glob`."""
    for option in (
        click.option("--context-glob", metavar="PATTERN", default=_ALL, help="Which files of --context-dir.  [**/*]"),
        click.option(
            "--context-dir",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            metavar="FOLDER",
            help="A folder of text files to work on.",
        ),
        click.option(
            "--context-file",
            "context_files",
            multiple=True,
            type=click.Path(exists=True, path_type=Path),
            metavar="FILE",
            help="Text to work on, in place of an index; repeat it for more.",
        ),
    ):
        command = option(command)
    return command


def context_of(files: tuple[Path, ...], folder: Path | None, pattern: str) -> Context | None:
    """What they name; None where they name nothing.

    Raises:
        ConfigError: a file is not there, or none matches.
        UsageError: a pattern without the folder that it is about.
    """
    from rlm_search.context import Context

    if folder is None and pattern != _ALL:
        raise click.UsageError("--context-glob says which files of a folder: give --context-dir, too")
    paths = [*files, *([folder] if folder else [])]
    return Context.from_paths(*paths, pattern=pattern) if paths else None
