"""Commands that need a terminal, in one of their own."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.rlm_search.conftest import BIN, Place

pytestmark = pytest.mark.integration
RECORDED = Path(__file__).parents[2] / "unit" / "rlm_search" / "cassette.jsonl"


class Terminal:
    """A command at its keyboard and screen."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self._outside, inside = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            command, stdin=inside, stdout=inside, stderr=inside, env={**environment, "TERM": "xterm-256color"},
            start_new_session=True,
        )  # fmt: skip
        os.close(inside)

    def until(self, words: str, seconds: float = 40) -> None:
        """Wait until this is on the screen, beyond what was waited for before."""
        end = time.monotonic() + seconds
        while words not in self.shown:
            assert time.monotonic() < end, self.shown
            assert self._read(), self.shown
        self.shown = self.shown.partition(words)[2]

    def type(self, keys: str) -> None:
        os.write(self._outside, keys.encode())

    def ended(self) -> int:
        """The exit code, once all is read."""
        while self._read():
            pass
        os.close(self._outside)
        return self.process.wait(10)

    def _read(self) -> bool:
        try:
            while not select.select([self._outside], [], [], 0.1)[0]:
                if self.process.poll() is not None:
                    return False
            data = os.read(self._outside, 65_536)
        except OSError:  # the other end is closed
            return False
        self.shown += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", data.decode("utf-8", "replace"))
        return bool(data)


@contextmanager
def terminal(command: list[str], environment: Mapping[str, str]) -> Iterator[Terminal]:
    opened = Terminal(command, environment)
    try:
        yield opened
    finally:
        opened.process.kill()
        opened.process.wait()


def test_a_recorded_run_is_walked_through() -> None:
    with terminal([str(BIN / "rlm-search"), "trace", str(RECORDED)], os.environ) as screen:
        screen.until("step 2")
        screen.type("q")
        assert screen.ended() == 0


def test_questions_are_asked_one_after_the_other_and_a_broken_one_does_not_end_it(place: Place, tmp_path: Path) -> None:
    replies = [
        "```python\nes_search('budget')\nmine = 40\nFINAL('first answer')\n```",
        "```python\nFINAL(f'second answer {mine + 2}')\n```",
    ]
    script = tmp_path / "script.json"
    script.write_text(json.dumps(replies), encoding="utf-8")
    with terminal(place.command("chat", "--model", f"scripted:{script}"), place.environment) as screen:
        for question, answer in (("One?", "first answer"), ("Two?", "second answer 42"), ("Three?", "has no reply")):
            screen.until("? ")
            screen.type(f"{question}\n")
            screen.until(answer)
        screen.until("? ")
        screen.type("\x04")
        assert screen.ended() == 0
