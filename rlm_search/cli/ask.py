"""`rlm-search ask`: a question answered from an index, with citations; or many of them from a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from rlm_search.cli import printing
from rlm_search.cli.flags import setting_flags, settings_of
from rlm_search.cli.given import context_of, context_options
from rlm_search.cli.options import index_options, json_option, read_settings
from rlm_search.errors import ConfigError
from rlm_search.rendering import FORMATS, Format, render

if TYPE_CHECKING:
    from rlm_search.cli.asking import Asking
    from rlm_search.types import Answer

F = TypeVar("F", bound=Callable[..., Any])


def _batch_options(command: F) -> F:
    for option in (
        click.option(
            "--workers", type=click.IntRange(1, 64), default=4, metavar="N", help="Questions at once.  [default: 4]"
        ),
        click.option(
            "--output",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Where their answers go, as JSON lines; what it holds already is not asked again.  [stdout]",
        ),
        click.option(
            "--questions",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE",
            help='Many, in place of QUESTION: one a line, or {"id": …, "question": …} a line.',
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("question", required=False)
@index_options
@setting_flags
@context_options
@click.option(
    "--answer-schema",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A JSON schema that the answer has to fit.",
)
@_batch_options
@click.option(
    "--trace", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where to record the run."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask before a batch of calls that costs much.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="Each step as a line.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="How the answer is printed.  [text; json with --json]"
)
@json_option
def ask(
    question: str | None,
    index: str | None,
    config: Path | None,
    context_files: tuple[Path, ...],
    context_dir: Path | None,
    context_glob: str,
    answer_schema: Path | None,
    questions: Path | None,
    output: Path | None,
    workers: int,
    trace: Path | None,
    yes: bool,
    quiet: bool,
    verbose: bool,
    form: str | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Answer QUESTION from the documents of an index, with citations that were checked against them.

    Without --model: the one of the settings, a provider whose key is in the environment (OPENAI_API_KEY, …), Ollama
    on this machine, or no language model at all: then passages are quoted, and it is said so.

    With --context-file or --context-dir the model works on that text, and on an index only where --index is given.

    With --questions, several are asked at once. Stopped, even by kill -9, the same command with the same --output
    asks those that are missing.

    Exit code 3: the documents do not hold the answer. 7: a limit was reached. 8: no citation holds.

    \b
    Examples:
      rlm-search ask "Who approved the 2019 budget?"
      rlm-search ask "How did margins develop?" --model ollama:qwen3:8b --max-seconds 120
      rlm-search ask "What was capital expenditure in 2018?" --model extractive --json
      rlm-search ask "Which suppliers were late?" --verify --format html > answer.html
      rlm-search ask --questions questions.txt --output answers.jsonl --workers 8
    """  # noqa: D301 - click reads the backspace character
    from rlm_search.cli.asking import Asking
    from rlm_search.cli.telemetry import spans_of

    _check_usage(question, questions, output, trace)
    if questions is not None and form not in (None, "json"):
        raise click.UsageError(f"answers to --questions are JSON lines; --format {form} is for one")
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} exclude each other")
    settings = read_settings(index, config, settings_of(flags))
    context = context_of(context_files, context_dir, context_glob)
    with spans_of(settings) as spans:
        asking = Asking(
            settings,
            answer_type=_schema(answer_schema) if answer_schema else None,
            context=context,
            has_index=context is None or index is not None,
            says_yes=yes,
            listeners=spans,
        )
        if questions is not None:
            from rlm_search.cli.batch import ask_all

            return ask_all(asking, questions, output, workers=workers, quiet=quiet, verbose=verbose)
        assert question is not None
        for line in asking.announcement():
            printing.tell(line)
        answer = asking.run(question, trace=trace, quiet=quiet, verbose=verbose)
        _put(question, answer, asking, form="json" if as_json else form or "text", quiet=quiet)
        return asking.exit_code(answer)


def _check_usage(question: str | None, questions: Path | None, output: Path | None, trace: Path | None) -> None:
    if questions is None and output is not None:
        raise click.UsageError("--output is for the answers to --questions")
    if questions is not None and question is not None:
        raise click.UsageError("give a QUESTION or --questions, not both")
    if questions is not None and trace is not None:
        raise click.UsageError("--trace records one run; those of --questions are in the folder that `ask.runs` names")
    if questions is None and question is None:
        raise click.UsageError("there is no question: give one, or --questions FILE")
    if question is not None and not question.strip():
        raise click.UsageError("the question is empty")


def _schema(path: Path) -> dict[str, Any]:
    try:
        schema = json.loads(path.read_bytes())
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON: {error}", hint='a JSON schema, such as {"type": "object"}') from None
    if not isinstance(schema, dict):
        raise ConfigError(f"{path} is no JSON schema", hint='a JSON schema, such as {"type": "object"}')
    return schema


def _put(question: str, answer: Answer, asking: Asking, *, form: str, quiet: bool) -> None:
    from rlm_search.answers import as_data
    from rlm_search.cli.answers import put_answer

    plain = as_data(answer)
    if form == "json":
        printing.put_json({"question": question, **plain, **asking.about(asking.trace_file)})
    elif form == "text":
        put_answer(plain)
        if asking.note:
            printing.put()
            printing.put(printing.dim(asking.note))
    else:
        printing.put(render(plain, cast("Format", form), question=question, note=asking.note))
    if not quiet:
        printing.tell(asking.summary(answer))
