"""Many questions of `rlm-search ask`: those that have no answer yet are asked, several at once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_search.answers import as_data
from rlm_search.cli import printing
from rlm_search.cli.asking import exit_code_of
from rlm_search.cli.errors import sentence
from rlm_search.questions import AnswersFile, Question, line_of, read_questions
from rlm_search.rendering.words import number_of

if TYPE_CHECKING:
    from rlm_search.cli.asking import Asking
    from rlm_search.running import Outcome
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
    tell = _silent if quiet else printing.tell
    if output is None:
        return _Batch(asking, _print, tell, of=len(questions)).ask(questions, workers=workers, verbose=verbose)
    with AnswersFile(output) as answers:
        missing = answers.missing(questions)
        if len(missing) < len(questions):
            tell(f"{len(questions) - len(missing):,} of {len(questions):,} are answered in {output}")
        batch = _Batch(asking, answers.write, tell, of=len(questions))
        batch.count_in(answers.answered[q.key] for q in questions if q.key in answers.answered)
        return batch.ask(missing, workers=workers, verbose=verbose)


class _Batch:
    """Questions under way: what has been answered, and what the command will end with."""

    def __init__(
        self, asking: Asking, write: Callable[[Question, dict[str, Any]], None], tell: Callable[[str], None], *, of: int
    ) -> None:
        self._asking, self._write, self._tell, self._of = asking, write, tell, of
        self._answered = 0
        self._codes: set[int] = set()
        self._lock = threading.Lock()

    def count_in(self, statuses: Iterable[str]) -> None:
        """Answers of earlier commands count, too."""
        for status in statuses:
            self._answered += 1
            self._codes.add(exit_code_of(status))

    def ask(self, questions: list[Question], *, workers: int, verbose: bool) -> int:
        """Ask them; the exit code of the first error, else that of the worst answer."""
        if not questions:
            return self._worst()
        for line in self._asking.announcement():
            printing.tell(line)

        def done(place: int, answer: Answer, record: Path | None) -> None:
            self._done(questions[place], answer, record)

        outcomes = self._asking.run_many([q.text for q in questions], done, workers=workers, verbose=verbose)
        with closing(outcomes):
            code = _first_error(questions, outcomes)
        self._tell(f"{number_of(self._answered, 'question')} of {self._of:,} answered")
        return code or self._worst()

    def _done(self, question: Question, answer: Answer, record: Path | None) -> None:
        """Write an answer; called from the thread of its run."""
        with self._lock:
            self._write(question, {**as_data(answer), **self._asking.about(record)})
            self._codes.add(self._asking.exit_code(answer))
            self._answered += 1
            self._tell(f"{self._answered:,} of {self._of:,}  {_said(question, answer)}")

    def _worst(self) -> int:
        return next((code for code in _WORST if code in self._codes), 0)


def _first_error(questions: list[Question], outcomes: Iterable[Outcome]) -> int:
    """Tell each error; the exit code of the first, 0 without one. Several in a row are the last that is waited for."""
    code, in_a_row = 0, 0
    for question, outcome in zip(questions, outcomes, strict=False):
        in_a_row = in_a_row + 1 if outcome.error else 0
        if outcome.error is None:
            continue
        code = code or outcome.error.exit_code
        printing.tell(f"not answered: {printing.one_line(question.text)}: {sentence(outcome.error)}")
        if in_a_row == _MOST_ERRORS:
            printing.tell("stopped here: the same command asks the rest again")
            break
    return code


def _said(question: Question, answer: Answer) -> str:
    shown = printing.one_line(question.text)
    return f"{answer.status.replace('_', ' ')}: {shown if len(shown) <= 80 else shown[:79] + '…'}"


def _print(question: Question, answer: dict[str, Any]) -> None:
    printing.put(line_of(question, answer).decode().rstrip("\n"))
    sys.stdout.flush()


def _silent(_: str) -> None:
    return
