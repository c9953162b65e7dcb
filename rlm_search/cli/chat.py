"""`rlm-search chat`: questions that build on one another, from the terminal or from a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlm_search.cli import printing
from rlm_search.cli.errors import sentence
from rlm_search.cli.flags import setting_flags, settings_of
from rlm_search.cli.given import context_of, context_options
from rlm_search.cli.options import index_options, read_settings

if TYPE_CHECKING:
    from rlm_search.cli.asking import Asking
    from rlm_search.types import Answer

_PROMPT = "? "


@click.command()
@index_options
@setting_flags
@context_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask before a batch of calls that costs much.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="Each step as a line.")
@click.option("--json", "as_json", is_flag=True, help="Print each answer as a line of JSON.")
def chat(
    index: str | None,
    config: Path | None,
    context_files: tuple[Path, ...],
    context_dir: Path | None,
    context_glob: str,
    yes: bool,
    quiet: bool,
    verbose: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    """Ask questions that build on one another: a question a line, until the end of input (Ctrl-D).

    The model keeps its variables, what it has found and cited, and is told what was asked and answered before. Limits
    hold for each question anew. The exit code is that of the last answer.

    \b
    Examples:
      rlm-search chat --model ollama:qwen3:8b
      rlm-search chat --context-file log.txt --json < questions.txt
    """  # noqa: D301 - click reads the backspace character
    from rlm_search.cli.asking import Asking
    from rlm_search.cli.telemetry import spans_of

    settings = read_settings(index, config, settings_of(flags))
    context = context_of(context_files, context_dir, context_glob)
    with spans_of(settings) as spans:
        has_index = context is None or index is not None
        asking = Asking(settings, context=context, has_index=has_index, says_yes=yes, listeners=spans)
        for line in asking.announcement():
            printing.tell(line)
        code = 0
        with asking.session():
            for question in _questions():
                answer = _answered(asking, question, quiet=quiet, verbose=verbose)
                if answer is not None:
                    _put(question, answer, asking, as_json=as_json, quiet=quiet)
                    code = asking.exit_code(answer)
        return code


def _questions() -> Iterator[str]:
    """The lines of a terminal, with a prompt, or of what stdin is."""
    if not _is_typed():
        yield from (line.strip() for line in sys.stdin if line.strip())
        return
    import readline  # noqa: F401 - `input` edits lines with it

    while True:
        try:
            line = input(_PROMPT).strip()
        except EOFError:
            printing.tell("")
            return
        if line:
            yield line


def _answered(asking: Asking, question: str, *, quiet: bool, verbose: bool) -> Answer | None:
    """The answer; None where the run broke, which somebody at a terminal is told, to go on."""
    from retrievers.errors import RetrieverError
    from rlm_search.errors import RlmError

    try:
        return asking.run(question, trace=None, quiet=quiet, verbose=verbose)
    except (RlmError, RetrieverError) as error:
        if not _is_typed():
            raise
        printing.tell(f"error: {sentence(error)}")
        return None


def _put(question: str, answer: Answer, asking: Asking, *, as_json: bool, quiet: bool) -> None:
    from rlm_search.answers import as_data
    from rlm_search.cli.answers import put_answer

    plain = as_data(answer)
    if as_json:
        told = {"question": question, **plain, **asking.about(asking.trace_file)}
        printing.put(json.dumps(told, ensure_ascii=False, default=printing.plain))
    else:
        put_answer(plain)
    if not quiet:
        printing.tell(asking.summary(answer))
    if not as_json:
        printing.put()
    sys.stdout.flush()


def _is_typed() -> bool:
    return printing.is_terminal(sys.stdin) and printing.is_terminal(sys.stdout)
