"""An index made by `ingest`, and `rlm-search` as a process that asks it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from rlm_search.models.providers import known_variables
from tests.servers.openai_server import OpenAIServer

BIN = Path(sys.executable).parent
KEY = "sk-never-to-be-seen-anywhere"
QUESTION = "Who approved the budget for 2019?"
FILES = {
    "minutes-2019.md": "# Minutes of March 2019\n\nThe budget for 2019 was approved by Maria Holm on 3 March.\n",
    "minutes-2020.md": "# Minutes of March 2020\n\nThe budget for 2020 was approved by Jon Aas.\n",
    "linkspan.txt": "The contact with the Northquay linkspan was caused by a failed thruster.\n",
}


@dataclass(frozen=True)
class Place:
    """An index, and an environment without keys, settings or Ollama."""

    index: Path
    environment: Mapping[str, str]

    def command(self, *words: str) -> list[str]:
        return [str(BIN / "rlm-search"), words[0], "--index", str(self.index), *words[1:]]

    def run(self, *words: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), capture_output=True, text=True, timeout=60, check=False,
            env={**self.environment, **changed}, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def start(self, *words: str, **changed: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**self.environment, **changed}, start_new_session=True,
        )  # fmt: skip


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("place")
    keys = set(known_variables())
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in keys and not name.startswith(("RLM_SEARCH_", "OPENAI_"))
    }
    environment |= {"OLLAMA_HOST": "127.0.0.1:9", "RLM_SEARCH_HOME": str(folder / "home"), "COLUMNS": "100"}
    (folder / "files").mkdir()
    for name, text in FILES.items():
        (folder / "files" / name).write_text(text, encoding="utf-8")
    index = folder / "state" / "index"
    subprocess.run(
        [str(BIN / "ingest"), str(folder / "files"), "--index", str(index)],
        check=True, capture_output=True, env=environment, timeout=120,
    )  # fmt: skip
    return Place(index, environment)


def server_at(server: OpenAIServer) -> dict[str, str]:
    return {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
