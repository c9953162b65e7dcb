"""`rlm-search trace`: a recorded run to walk through in the terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rlm_search.cli import printing
from rlm_search.errors import ConfigError


@click.command()
@click.argument("run", metavar="RUN.jsonl", type=click.Path(path_type=Path))
def trace(run: Path) -> None:
    """Walk through a recorded run: steps, calls of models, code, searches, sub-runs, with all that they hold.

    Arrows and Enter walk and fold, `/` searches, `n` and `N` go on, `e` unfolds all, `q` quits. Needs the extra `tui`.
    `replay` tells the same as text.

    \b
    Example:
      rlm-search trace .rlm-search/runs/20261121-063105-4f2a9c.jsonl
    """  # noqa: D301 - click reads the backspace character
    from retrievers.plugins import require
    from rlm_search.trace.replay import replay
    from rlm_search.trace.tree import tree_of

    entry = tree_of(replay(run))
    require("textual", extra="tui", purpose="walking through a run")
    if not (printing.is_terminal(sys.stderr) and printing.is_terminal(sys.stdin)):  # which textual writes to
        raise ConfigError("walking through a run needs a terminal", hint=f"rlm-search replay {run}")
    from rlm_search.trace.browser import TraceBrowser

    TraceBrowser(entry).run()
