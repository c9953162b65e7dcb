"""An index, and the command as a function, in a world without keys, configuration or Ollama."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from retrievers.registry import open_embedder, open_writer
from retrievers.testing_corpus import CORPUS, chunked
from retrievers.types import IndexedDocument
from rlm_search.cli import main
from rlm_search.cli.errors import run
from rlm_search.errors import ToldToModel
from rlm_search.models.providers import known_variables
from rlm_search.sandbox.guest import revive
from rlm_search.types import Execution


@dataclass(frozen=True)
class Ended:
    """What a command came to."""

    code: int
    out: str
    err: str


Command: TypeAlias = Callable[..., Ended]


@pytest.fixture(scope="session")
def built_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive") / "index"
    embedder = open_embedder("hashing")
    assert embedder is not None
    writer = open_writer(folder, embedder=embedder)
    documents = []
    for document in CORPUS:
        chunks = chunked(document)
        vectors = embedder.embed_documents([chunk.embedding_text for chunk in chunks])
        documents.append(IndexedDocument(document=document, chunks=chunks, vectors=vectors))
    writer.replace(documents)
    writer.close()
    return folder


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in known_variables():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")  # where nobody listens
    monkeypatch.setenv("RLM_SEARCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def command(built_index: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `rlm-search WORDS…` against the index; words that are no text are made it."""

    def call(*words: object, index: object = built_index) -> Ended:
        arguments = [str(word) for word in words]
        if index is not None:
            arguments[1:1] = ["--index", str(index)]
        code = run(main, arguments)
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return call


class InProcess:
    """A sandbox without walls, for replies that a test has written: it starts nothing."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}

    def start(self, functions: Mapping[str, Callable[..., Any]], variables: Mapping[str, Any] | None = None) -> None:
        self.names = {**functions, **json.loads(json.dumps(variables or {}), object_hook=revive)}

    def execute(self, code: str, *, timeout: float) -> Execution:
        try:
            exec(code, self.names)
        except ToldToModel as error:
            return Execution(error=f"ToolError: {error}", ended="raised")
        return Execution(stdout="ran", stdout_length=3)

    def get(self, name: str) -> Any:
        return self.names[name]

    def set(self, name: str, value: Any) -> None:
        self.names[name] = value

    def close(self) -> None:
        self.names = {}
