"""Many questions from a file, and a file of answers that a run which was cut off goes on with."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import msgspec

from rlm_search.errors import ConfigError

Key: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question of a file; `id` is what its line says, "" without one. `occurrence` counts those that are the same."""

    text: str
    id: str = ""
    occurrence: int = 1

    @property
    def key(self) -> Key:
        """By what its answer is found again, wherever in the file it stands."""
        return (self.id or self.text, self.occurrence)


def read_questions(path: Path) -> list[Question]:
    """The questions of a file: JSON objects with `question` and perhaps `id`, one a line, or a question a line.

    Args:
        path: `.jsonl` and `.ndjson` hold objects, and so does a file whose first line begins with `{`.

    Raises:
        ConfigError: it cannot be read, holds no question, or two of the same `id`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise ConfigError(f"cannot read the questions in {path}: {reason}") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise ConfigError(f"{path} holds no question", hint="one a line, or JSON objects with `question`")
    is_json = path.suffix in (".jsonl", ".ndjson") or lines[0][1].startswith("{")
    found = [_object(path, number, line) if is_json else ("", line) for number, line in lines]
    ids = Counter(id_ for id_, _ in found if id_)
    if twice := [id_ for id_, number in ids.items() if number > 1]:
        raise ConfigError(f"{path} has two questions with the id {twice[0]!r}")
    seen: Counter[str] = Counter()
    questions = []
    for id_, asked in found:
        seen[id_ or asked] += 1
        questions.append(Question(text=asked, id=id_, occurrence=seen[id_ or asked]))
    return questions


class AnswersFile:
    """Answers as JSON lines, each written whole as soon as it is there; what a killed run left is gone on with.

    Use as a context manager. Safe to write to from several threads.

    Args:
        path: a new file, or one that holds answers; a last line that was cut off is taken out of it.

    Attributes:
        answered: the statuses of the answers that are in it, by the key of their questions.

    Raises:
        ConfigError: it cannot be written, holds something else, or another process writes to it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answered: dict[Key, str] = {}
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise ConfigError(f"cannot write the answers to {path}: {error.strerror}") from None
        try:
            if stat.S_ISREG(os.fstat(self._file).st_mode):  # a pipe is written to and nothing more
                self._own()
                self._take_up()
        except BaseException:
            os.close(self._file)
            raise

    def missing(self, questions: Iterable[Question]) -> list[Question]:
        """Those that have no answer in the file."""
        return [question for question in questions if question.key not in self.answered]

    def write(self, question: Question, answer: Mapping[str, Any]) -> None:
        """Add the answer of a question.

        Raises:
            OSError: the disk is full, or gone.
        """
        line = line_of(question, answer)
        with self._lock:
            os.write(self._file, line)
            self.answered[question.key] = str(answer.get("status", ""))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._file)

    def _own(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"another process is writing to {self.path}") from None

    def _take_up(self) -> None:
        seen: Counter[str] = Counter()
        whole = 0
        for number, line in enumerate(self._lines(), 1):
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                name, status = str(row["id"] or row["question"]), str(row["status"])
            except (ValueError, TypeError, KeyError):
                raise ConfigError(
                    f"{self.path} is no file of answers: line {number} is none", hint="name another file"
                ) from None
            seen[name] += 1
            self.answered[name, seen[name]] = status
        os.ftruncate(self._file, whole)

    def _lines(self) -> Iterator[bytes]:
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            yield from file


def line_of(question: Question, answer: Mapping[str, Any]) -> bytes:
    """An answer as a line of JSON: `id`, `question`, and what `Answer` has."""
    row = {"id": question.id, "question": question.text, **answer}
    return msgspec.json.encode(row, enc_hook=str) + b"\n"


def _object(path: Path, number: int, line: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
        asked = row["question"].strip()
    except (ValueError, TypeError, KeyError, AttributeError):
        asked, row = "", {}
    if not asked:
        raise ConfigError(f"{path}, line {number}: no question", hint='lines such as {"id": "1", "question": "…"}')
    id_ = row.get("id")
    return ("" if id_ is None else str(id_)), asked
