"""Where every command ends: one line, a hint, an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from rlm_search.cli import printing
from rlm_search.cli.commands import main
from rlm_search.cli.errors import run
from rlm_search.errors import BudgetExceeded, ModelUnavailable, SandboxError


def command_that(does: Callable[[], object]) -> click.Command:
    return click.Command("try", callback=does)


def raising(error: BaseException) -> click.Command:
    def does() -> None:
        raise error

    return command_that(does)


@pytest.fixture
def traceback_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ModelUnavailable("nobody there\nat all", hint="try later"), 6),
        (BudgetExceeded("spent", kind="steps", hint="try later"), 7),
        (SandboxError("broken", hint="try later"), 1),
    ],
)
def test_an_error_of_ours_is_a_line_a_hint_and_its_exit_code(
    capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    assert run(raising(error), []) == code
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: ")
    assert second == "hint: try later"


def test_a_fault_of_ours_is_one_line_and_its_traceback_is_in_a_file(
    capsys: pytest.CaptureFixture[str], traceback_files: Path
) -> None:
    assert run(raising(ZeroDivisionError("oh\nno")), []) == 1

    told = capsys.readouterr().err
    [file] = traceback_files.glob("rlm-search-*.txt")
    assert told.splitlines()[0] == "error: unexpected ZeroDivisionError: oh no"
    assert str(file) in told
    assert "Traceback" in file.read_text(encoding="utf-8")
    assert "Traceback" not in told


def test_a_fault_is_told_even_where_no_file_can_be_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/dev/null")

    assert run(raising(KeyError()), []) == 1
    assert capsys.readouterr().err == "error: unexpected KeyError\n"


def test_ctrl_c_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def pressed() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    assert run(command_that(pressed), []) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_being_ended_from_outside_is_one_line(
    capsys: pytest.CaptureFixture[str], number: signal.Signals, code: int
) -> None:
    def ended() -> None:
        os.kill(os.getpid(), number)
        time.sleep(5)

    assert run(command_that(ended), []) == code
    assert capsys.readouterr().err == "terminated\n"


def test_what_was_open_is_closed_when_a_command_is_ended() -> None:
    closed = []

    def ended() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        finally:
            closed.append(True)

    run(command_that(ended), [])

    assert closed == [True]


def test_handlers_of_signals_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    run(command_that(lambda: None), [])

    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr("rlm_search.cli.errors.stop_writing", lambda: None)

    assert run(raising(OSError(number, "full", "/mnt/index")), []) == 5
    assert "no space is left on the disk of /mnt/index" in capsys.readouterr().err


def test_another_trouble_of_the_system_is_a_fault(capsys: pytest.CaptureFixture[str], traceback_files: Path) -> None:
    assert run(raising(OSError(errno.EIO, "Input/output error")), []) == 1
    assert "unexpected OSError" in capsys.readouterr().err


def test_a_reader_that_has_had_enough_is_no_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlm_search.cli.errors.stop_writing", lambda: None)

    assert run(raising(BrokenPipeError()), []) == 141
    assert capsys.readouterr().err == ""


def test_a_closed_output_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlm_search.cli.errors.stop_writing", lambda: None)
    monkeypatch.setattr(sys, "stdout", None)

    assert run(command_that(lambda: printing.put("result")), []) == 1
    assert capsys.readouterr().err == "error: standard output is closed\n"


def test_the_command_ends_the_process_with_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serch"])

    assert ended.value.code == 2
    assert "did you mean `search`" in capsys.readouterr().err


# --- printing ---------------------------------------------------------------------------------------------------------


class Terminal:
    """A stream that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_words_of_the_query_are_bold_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")

    assert (
        printing.marked("The dividends of 2019", "dividend in 2019?")
        == "The \x1b[1mdividends\x1b[0m of \x1b[1m2019\x1b[0m"
    )
    assert printing.marked("text", "?!") == "text"
    assert printing.dim("x") == "\x1b[2mx\x1b[0m"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_nothing_is_bold_where_colours_are_unwanted(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)

    assert printing.bold("x") == "x"
    assert printing.marked("word", "word") == "word"


def test_nothing_is_bold_in_a_file_or_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert printing.bold("x") == "x"


def test_text_of_documents_cannot_steer_the_terminal() -> None:
    assert printing.printable("a\x1b]0;title\x07\tb\nc\u202ed") == "a ]0;title \tb\nc d"
    assert printing.one_line(" a\r\nb ") == "a b"


def test_json_knows_what_results_are_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    from retrievers.types import Facet

    printing.put_json({"facet": Facet(value="x", count=2), "tags": {"only one"}, "path": Path("a")})

    assert '"count": 2' in (out := capsys.readouterr().out)
    assert '"only one"' in out
    assert '"path": "a"' in out


def test_a_long_passage_is_a_paragraph_no_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")

    lines = printing.wrapped("word " * 40, "    ").splitlines()

    assert len(lines) > 3
    assert all(line.startswith("    ") and len(line) <= 50 for line in lines)


def test_a_panic_of_a_library_in_rust_is_a_fault_told_in_one_line(
    capsys: pytest.CaptureFixture[str], traceback_files: Path
) -> None:
    panic = type("PanicException", (BaseException,), {})

    assert run(raising(panic("assertion failed")), []) == 1
    assert capsys.readouterr().err.startswith("error: unexpected PanicException: assertion failed\n")


def test_no_secret_of_the_environment_is_told_or_written(
    capsys: pytest.CaptureFixture[str], traceback_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_ENGINE_PASSWORD", "correct-horse")
    run(raising(RuntimeError("cannot log in with correct-horse at https://u:battery@host")), [])

    [file] = traceback_files.glob("rlm-search-*.txt")
    told = capsys.readouterr().err + file.read_text(encoding="utf-8")
    assert "cannot log in with [secret]" in told
    assert "correct-horse" not in told
    assert "battery" not in told
