"""The commands by name, each imported when it is called or when its help is shown."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

import click

from rlm_search.cli.errors import run

_COMMANDS = {
    "ask": ("rlm_search.cli.ask", "Answer a question from an index, with citations."),
    "chat": ("rlm_search.cli.chat", "Ask questions that build on one another."),
    "search": ("rlm_search.cli.search", "List the passages of an index that match a query."),
    "show": ("rlm_search.cli.show", "Print a document of an index, or pages of it."),
    "index": ("rlm_search.cli.index", "Look after an index, or copy it to another engine."),
    "doctor": ("rlm_search.cli.doctor", "Tell whether this machine can confine the code that models write."),
    "replay": ("rlm_search.cli.replay", "Tell a recorded run again."),
    "trace": ("rlm_search.cli.trace", "Walk through a recorded run in the terminal."),
}


class Commands(click.Group):
    """A group that knows its commands before it imports them, and ends at our own border of errors."""

    def main(  # type: ignore[override]  # click overloads it by standalone_mode, which we do not have
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run the command line and end the process with its exit code."""
        sys.exit(run(self, sys.argv[1:] if args is None else args))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which people meet them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one."""
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(_COMMANDS[cmd_name][0]), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{cmd_name} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table above: `--help` need not import them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """With a suggestion for a name that is none."""
        name = args[0]
        if name in _COMMANDS or name.startswith("-"):
            return super().resolve_command(ctx, args)
        close = get_close_matches(name, _COMMANDS, n=1)
        way = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(_COMMANDS)}"
        raise click.UsageError(f"no command `{name}`: {way}", ctx)


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"rlm-search {version('rlm-search')}")
    ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Show the version."
)
def main() -> None:
    """Ask questions of an archive of documents, and search it.

    Make an index first: `ingest PATH`.

    \b
    Examples:
      rlm-search ask "Who approved the 2019 budget?"
      rlm-search search "capital expenditure" --filter 'year>=2019' --top-k 5
      rlm-search show 3M_2018_10K-4f2a9c1e --pages 3-5
    """  # noqa: D301 - click reads the backspace character
