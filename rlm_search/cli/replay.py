"""`rlm-search replay`: a recorded run told again, without its model and index."""

from __future__ import annotations

from pathlib import Path

import click

from rlm_search.cli import printing
from rlm_search.cli.options import json_option


@click.command()
@click.argument("run", metavar="RUN.jsonl", type=click.Path(path_type=Path))
@json_option
def replay(run: Path, as_json: bool) -> None:
    """Tell a recorded run again: its steps, code, searches, citations and answer.

    `ask` keeps each run in the folder `runs` beside the index, or where --trace says.

    \b
    Example:
      rlm-search replay .rlm-search/runs/20261121-063105-4f2a9c.jsonl
    """  # noqa: D301 - click reads the backspace character
    from rlm_search.cli.answers import put_answer
    from rlm_search.trace.replay import answer_of, as_text
    from rlm_search.trace.replay import as_json as run_as_json
    from rlm_search.trace.replay import replay as read_run

    events = read_run(run)
    if as_json:
        printing.put_json(run_as_json(events))
        return
    for line in as_text(events):
        printing.put(line)
    printing.put()
    answer = answer_of(events)
    if answer is None:
        printing.tell("the run was cut off before it came to an answer")
        return
    put_answer(answer)
