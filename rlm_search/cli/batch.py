"""Many questions of `rlm-search ask`: those that have no answer yet are asked, several at once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_search.answers import as_data
from rlm_search.cli import printing
from rlm_search.cli.asking import exit_code_of
from rlm_search.questions import AnswersFile, Question, line_of, read_questions
from rlm_search.rendering.words import number_of

if TYPE_CHECKING:
    from rlm_search.cli.asking import Asking
    from rlm_search.types import Answer

_MOST_ERRORS = 3
"""Questions in a row that end in an error: then the model, the index or the sandbox is away, and the rest waits."""
_WORST = (1, 7, 8)
"""Exit codes of answers, the one that says most first; that the documents do not hold an answer is one."""


def ask_all(asking: Asking, file: Path, output: Path | None, *, workers: int, quiet: bool, verbose: bool) -> int:
    """Ask the questions of a file, write their answers as they come, and say what became of them.

    A question whose run ends in an error gets no line, so that the same command asks it again.

    Raises:
        ConfigError: the questions cannot be read, or the answers not written.
    """
    questions = read_questions(file)
    if output is None:
        return _asked(asking, questions, questions, _print, [], workers=workers, quiet=quiet, verbose=verbose)
    with AnswersFile(output) as answers:
        missing = answers.missing(questions)
        if len(missing) < len(questions) and not quiet:
            printing.tell(f"{len(questions) - len(missing):,} of {len(questions):,} are answered in {output}")
        wanted = {question.key for question in questions}
        earlier = [status for key, status in answers.answered.items() if key in wanted]
        return _asked(asking, questions, missing, answers.write, earlier, workers=workers, quiet=quiet, verbose=verbose)


def _asked(
    asking: Asking,
    questions: list[Question],
    missing: list[Question],
    write: Callable[[Question, dict[str, Any]], None],
    earlier: list[str],
    *,
    workers: int,
    quiet: bool,
    verbose: bool,
) -> int:
    codes = {exit_code_of(status) for status in earlier}
    count = len(earlier)
    if missing:
        for line in asking.announcement():
            printing.tell(line)

    lock = threading.Lock()

    def done(place: int, answer: Answer, record: Path | None) -> None:
        nonlocal count
        about = {"model": asking.model_name, "note": asking.note, "trace": str(record or "")}
        with lock:
            write(missing[place], {**as_data(answer), **about})
            codes.add(asking.exit_code(answer))
            count += 1
            if not quiet:
                printing.tell(f"{count:,} of {len(questions):,}  {_said(missing[place], answer)}")

    ended = _run(asking, missing, done, workers=workers, verbose=verbose)
    if missing and not quiet:
        printing.tell(f"{number_of(count, 'question')} of {len(questions):,} answered")
    return ended or next((code for code in _WORST if code in codes), 0)


def _run(
    asking: Asking,
    missing: list[Question],
    done: Callable[[int, Answer, Path | None], None],
    *,
    workers: int,
    verbose: bool,
) -> int:
    """Ask them; the exit code of the first error, or 0."""
    code, in_a_row = 0, 0
    outcomes = asking.run_many([q.text for q in missing], done, workers=workers, verbose=verbose)
    with closing(outcomes):
        for place, outcome in enumerate(outcomes):
            in_a_row = in_a_row + 1 if outcome.error else 0
            if outcome.error is None:
                continue
            code = code or outcome.error.exit_code
            printing.tell(f"not answered: {printing.one_line(missing[place].text)}: {_reason(outcome.error)}")
            if in_a_row == _MOST_ERRORS:
                printing.tell("stopped here: the same command asks the rest again")
                break
    return code


def _reason(error: Any) -> str:
    from retrievers.redaction import redacted

    return redacted(printing.one_line(f"{error}{f' ({error.hint})' if error.hint else ''}"))


def _said(question: Question, answer: Answer) -> str:
    shown = printing.one_line(question.text)
    return f"{answer.status.replace('_', ' ')}: {shown if len(shown) <= 80 else shown[:79] + '…'}"


def _print(question: Question, answer: dict[str, Any]) -> None:
    printing.put(line_of(question, answer).decode().rstrip("\n"))
    sys.stdout.flush()
