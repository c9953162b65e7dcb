"""`rlm-search replay`: a recorded run told again, without its model and index."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from rlm_search.cli import printing
from rlm_search.cli.options import json_option
from rlm_search.errors import ConfigError
from rlm_search.rendering import FORMATS, Format, render


@click.command()
@click.argument("run", metavar="RUN.jsonl", type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="The answer alone, as `ask` prints it in this format."
)
@json_option
def replay(run: Path, form: str | None, as_json: bool) -> None:
    """Tell a recorded run again: its steps, code, searches, citations and answer.

    `ask` keeps each run in the folder `runs` beside the index, or where --trace says. No model and no index is asked.

    \b
    Examples:
      rlm-search replay .rlm-search/runs/20261121-063105-4f2a9c.jsonl
      rlm-search replay run.jsonl --format html > answer.html
    """  # noqa: D301 - click reads the backspace character
    from rlm_search.cli.answers import put_answer
    from rlm_search.trace.replay import answer_of, as_text
    from rlm_search.trace.replay import as_json as run_as_json
    from rlm_search.trace.replay import replay as read_run

    if as_json and form is not None:
        raise click.UsageError("--json tells the whole run, --format its answer: give one of them")
    events = read_run(run)
    told = run_as_json(events)
    if as_json:
        printing.put_json(told)
        return
    if form is not None:
        if told["answer"] is None:
            raise ConfigError(f"{run} was cut off before it came to an answer", hint=f"rlm-search replay {run}")
        printing.put(render(told["answer"], cast("Format", form), question=told["question"]))
        return
    for line in as_text(events):
        printing.put(line)
    printing.put()
    answer = answer_of(events)
    if answer is None:
        printing.tell("the run was cut off before it came to an answer")
        return
    put_answer(answer)
