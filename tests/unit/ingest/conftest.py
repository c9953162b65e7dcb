"""The command `ingest` in this process, with files read by an inline pool."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import commands
from ingest.cli import main
from ingest.testing import InlinePool

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `ingest` with these arguments; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RLM_SEARCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(commands, "open_pool", lambda *_: InlinePool())
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            main(arguments)
        except SystemExit as error:
            out, err = capsys.readouterr()
            return int(error.code or 0), out, err
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    return run
