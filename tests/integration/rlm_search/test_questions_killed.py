"""Many questions, stopped in the middle: the same command asks those that are missing, and nothing twice."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.integration.rlm_search.conftest import Place, server_at
from tests.integration.rlm_search.test_cli_stopped import wait_until_none_is_left
from tests.servers.openai_server import OpenAIServer, Say

pytestmark = pytest.mark.integration
REPLY = "```python\nes_search('budget')\nFINAL('done')\n```"


def asked(body: Any) -> str:
    return str(next(message["content"] for message in body["messages"] if message["role"] == "user"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_batch_goes_on_where_it_was_stopped(place: Place, tmp_path: Path, number: int, code: int) -> None:
    questions = [f"Question {n}?" for n in range(12)]
    (tmp_path / "q.txt").write_text("\n".join(questions), encoding="utf-8")
    output = tmp_path / "answers.jsonl"
    command = ["ask", "--questions", str(tmp_path / "q.txt"), "--output", str(output), "--workers", "2"]

    with OpenAIServer(lambda _: Say(pieces=[REPLY], pause=0.2)) as server:
        process = place.start(*command, "--model", "openai:m", **server_at(server))
        until = time.monotonic() + 40
        while time.monotonic() < until and (not output.exists() or output.read_bytes().count(b"\n") < 3):
            time.sleep(0.02)
        os.kill(process.pid, number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert "Traceback" not in err
    assert wait_until_none_is_left(process.pid) == []
    answered = {json.loads(line)["question"] for line in output.read_bytes().splitlines()[:3]}
    assert len(answered) == 3

    with OpenAIServer(lambda _: Say(text=REPLY)) as server:
        ended = place.run(*command, "--model", "openai:m", **server_at(server))
        again = Counter(asked(body) for body in server.completions)

    assert ended.returncode == 0, ended.stderr
    assert not answered & set(again)
    assert set(again.values()) == {1}
    assert Counter(json.loads(line)["question"] for line in output.read_text().splitlines()) == Counter(questions)
