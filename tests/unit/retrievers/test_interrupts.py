"""A signal that arrives while a module is imported waits for the end of the import."""

from __future__ import annotations

import importlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from retrievers.interrupts import outside_imports


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Ctrl-C raises `KeyboardInterrupt` outside imports."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM)}
    signal.signal(signal.SIGINT, outside_imports(interrupt))
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("interrupts")
def test_a_module_is_imported_whole_before_the_interrupt_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module makes of any interruption what native modules make of it: an ImportError."""
    (tmp_path / "interrupted_module.py").write_text(
        "import signal\n"
        "try:\n    signal.raise_signal(signal.SIGINT)\n    for _ in range(1000): pass\n"
        "except KeyboardInterrupt:\n    raise ImportError('broken')\n"
        "whole = True\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    def imported() -> None:
        importlib.import_module("interrupted_module")
        time.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        imported()

    assert sys.modules.pop("interrupted_module").whole


@pytest.mark.usefixtures("interrupts")
def test_outside_imports_it_is_raised_at_once() -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_second_signal_does_not_wait() -> None:
    code = (
        "import signal, sys, types\n"
        "from retrievers.interrupts import outside_imports\n"
        "signal.signal(signal.SIGINT, outside_imports(lambda *_: None))\n"
        "press = 'for _ in range(2): signal.raise_signal(signal.SIGINT)'\n"
        "exec(compile(press, '<frozen importlib._bootstrap>', 'exec'))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 130


def test_a_signal_that_waits_does_not_end_a_process_that_has_come_to_its_end() -> None:
    code = (
        "import signal, sys, time\n"
        "from retrievers.interrupts import outside_imports, stop_listening\n"
        "signal.signal(signal.SIGINT, outside_imports(lambda *_: None))\n"
        "press = 'signal.raise_signal(signal.SIGINT)'\n"
        "exec(compile(press, '<frozen importlib._bootstrap>', 'exec'))\n"
        "stop_listening(signal.SIGINT)\n"
        "signal.signal(signal.SIGALRM, signal.SIG_DFL)  # as Python does when it ends\n"
        "time.sleep(0.1)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
