"""Questions are read from files, and a file of answers is gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlm_search.errors import ConfigError
from rlm_search.questions import AnswersFile, Question, read_questions

ANSWER = {"text": "35 million [1]", "status": "answered"}


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_text_has_a_question_a_line(tmp_path: Path) -> None:
    questions = read_questions(written(tmp_path, "q.txt", "\ufeffWho?\n\n  What?  \r\nWho?\n"))

    assert [(q.text, q.id, q.occurrence) for q in questions] == [("Who?", "", 1), ("What?", "", 1), ("Who?", "", 2)]


@pytest.mark.parametrize("name", ["q.jsonl", "q.ndjson", "q.txt"])
def test_json_lines_have_questions_with_their_ids(tmp_path: Path, name: str) -> None:
    file = written(tmp_path, name, '{"id": 7, "question": "Who?", "answer": "x"}\n{"question": " What? "}\n')

    assert [(q.id, q.text) for q in read_questions(file)] == [("7", "Who?"), ("", "What?")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no question"),
        ('{"id": 1}', "line 1: no question"),
        ('{"question": "a"}\n["b"]', "line 2: no question"),
        ('{"question": "a"}\n{"question": 5}', "line 2: no question"),
        ('{"question": "a"}\nnot json', "line 2: no question"),
        ('{"id": 1, "question": "a"}\n{"id": "1", "question": "b"}', "two questions with the id '1'"),
    ],
)
def test_a_file_without_questions_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_questions(written(tmp_path, "q.jsonl", text))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_bytes(b"\xff\xfe\xff")
    for path in (tmp_path, tmp_path / "none", tmp_path / "q.txt"):
        with pytest.raises(ConfigError, match="cannot read the questions"):
            read_questions(path)


def test_only_what_has_no_answer_is_missing(tmp_path: Path) -> None:
    questions = [Question(text="a"), Question(text="b", id="2"), Question(text="a", occurrence=2), Question(text="c")]
    with AnswersFile(tmp_path / "deep" / "answers.jsonl") as answers:
        assert answers.missing(questions) == questions
        answers.write(questions[0], ANSWER)
        answers.write(questions[1], ANSWER)

    with AnswersFile(tmp_path / "deep" / "answers.jsonl") as answers:
        assert answers.missing(questions) == questions[2:]
        answers.write(questions[2], ANSWER)
    rows = [json.loads(line) for line in (tmp_path / "deep" / "answers.jsonl").read_text().splitlines()]
    assert [(row["id"], row["question"]) for row in rows] == [("", "a"), ("2", "b"), ("", "a")]
    assert rows[0]["text"] == "35 million [1]"


def test_a_line_that_was_cut_off_is_taken_out_and_asked_again(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", '{"id":"","question":"a","status":"answered"}\n{"id":"","question":"b","sta')
    with AnswersFile(path) as answers:
        assert answers.missing([Question(text="a"), Question(text="b")]) == [Question(text="b")]
        answers.write(Question(text="b"), ANSWER)

    assert [json.loads(line)["question"] for line in path.read_text().splitlines()] == ["a", "b"]


@pytest.mark.parametrize("line", ["text\n", '["a"]\n', '{"question": "a"}\n', "5\n"])
def test_a_file_of_something_else_is_not_written_to(tmp_path: Path, line: str) -> None:
    path = written(tmp_path, "notes.txt", line)
    with pytest.raises(ConfigError, match="is no file of answers: line 1"):
        AnswersFile(path)
    assert path.read_text() == line


def test_two_processes_do_not_write_to_the_same_file(tmp_path: Path) -> None:
    with AnswersFile(tmp_path / "a.jsonl"), pytest.raises(ConfigError, match="another process"):
        AnswersFile(tmp_path / "a.jsonl")
    AnswersFile(tmp_path / "a.jsonl").__exit__()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot write the answers"):
        AnswersFile(written(tmp_path, "file", "") / "a.jsonl")
