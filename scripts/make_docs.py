"""Write the parts of the documentation that are taken from the code.

`docs/cli.md` is the `--help` of every command. In `docs/configuration.md` the part between the two markers is
`config/default.toml`. Tests hold both to the code; `make docs` writes them again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
CLI = ROOT / "docs" / "cli.md"
CONFIGURATION = ROOT / "docs" / "configuration.md"
DEFAULTS = ROOT / "config" / "default.toml"
WIDTH = 100
MARKED = re.compile(r"(<!-- begin config/default.toml -->\n).*?(<!-- end -->)", flags=re.DOTALL)


def cli_page() -> str:
    """The page of all commands, in the order of their names."""
    from ingest.cli import cli as ingest
    from rlm_search.cli import main as rlm_search

    parts = ["# Commands\n\nWritten by `make docs` from `--help`. Exit codes: [README](../README.md#exit-codes).\n"]
    for name, command in (("ingest", ingest), ("rlm-search", rlm_search)):
        parts += (f"## `{path}`\n\n```\n{text}\n```\n" for path, text in _helps(command, name, None))
    return "\n".join(parts)


def _helps(command: click.Command, name: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield context.command_path, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    if isinstance(command, click.Group):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            if child is not None and not child.hidden:
                yield from _helps(child, child_name, context)


def configuration_page(page: str) -> str:
    """The page with the present defaults between its markers."""
    block = f"```toml\n{DEFAULTS.read_text(encoding='utf-8').strip()}\n```\n"
    return MARKED.sub(lambda match: match[1] + block + match[2], page)


def main() -> None:
    """Write both pages."""
    CLI.write_text(cli_page(), encoding="utf-8")
    CONFIGURATION.write_text(configuration_page(CONFIGURATION.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
