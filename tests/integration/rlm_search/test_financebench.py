"""Questions about annual reports, put to a model on a server that plays recorded replies: each citation opens right.

The replies were written turn by turn over what the tools had shown, mistakes included. Questions, gold pages and
reports are read from the data set, which is not ours to ship.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from rlm_search import RLM
from rlm_search.models.opening import open_model
from rlm_search.models.settings import ModelSettings
from rlm_search.types import Citation
from tests.servers.openai_server import OpenAIServer, Say

pytestmark = pytest.mark.integration

RECORDED = [
    json.loads(line)
    for line in Path(__file__).with_name("financebench_replies.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.fixture(scope="module")
def data() -> Path:
    folder = Path(os.environ.get("RLM_SEARCH_TEST_DATA", "")) / "financebench"
    if not (folder / "questions.jsonl").is_file():
        pytest.skip("RLM_SEARCH_TEST_DATA is not set")
    return folder


@pytest.fixture(scope="module")
def questions(data: Path) -> Mapping[str, dict[str, Any]]:
    """Those that replies were recorded for."""
    rows = map(json.loads, (data / "questions.jsonl").read_text(encoding="utf-8").splitlines())
    wanted = {recorded["id"] for recorded in RECORDED}
    return {row["_id"]: row for row in rows if row["_id"] in wanted}


@pytest.fixture(scope="module")
def index(data: Path, questions: Mapping[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports that the questions need, and no others."""
    folder = tmp_path_factory.mktemp("financebench")
    names = sorted({question["doc"] for question in questions.values()})
    reports = [str(data / "pdfs" / f"{name}.pdf") for name in names]
    command = [sys.executable, "-c", "from ingest.cli import main; main()", *reports]
    subprocess.run([*command, "--index", str(folder / "index"), "--embedder", "none"], check=True, capture_output=True)
    return folder / "index"


@pytest.fixture(scope="module")
def rlm(index: Path, questions: Mapping[str, dict[str, Any]]) -> Iterator[RLM]:
    replies = {questions[recorded["id"]]["text"]: recorded["replies"] for recorded in RECORDED}

    def play(body: dict[str, Any]) -> Say:
        question = next(message["content"] for message in body["messages"] if message["role"] == "user")
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        return Say(text=replies[question][turn], pieces=[replies[question][turn]])

    with OpenAIServer(play) as server:
        model = open_model(ModelSettings(spec="vllm:recorded", base_url=server.base_url)).model
        yield RLM(model=model, retriever=index)


def opened(citation: Citation, data: Path) -> str:
    """The text of the page that a citation opens at, read from the PDF itself."""
    with pypdfium2.PdfDocument(data / "pdfs" / citation.source.rpartition("/")[2]) as pdf:
        return str(pdf[citation.pages[0] - 1].get_textpage().get_text_bounded())


def folded(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["id"].rpartition("_")[2])
def test_the_answer_is_right_and_its_citations_open_at_the_page_of_the_evidence(
    recorded: dict[str, Any], rlm: RLM, questions: Mapping[str, dict[str, Any]], data: Path
) -> None:
    question = questions[recorded["id"]]
    answer = rlm.run(question["text"])
    assert answer.status == "answered", answer.reason
    assert [said for said in recorded["says"] if said not in answer.text] == []
    assert answer.citations
    evidence = {evidence["page0"] + 1 for evidence in question["evidence"]}
    for citation in answer.citations:
        assert citation.marker in answer.text
        assert citation.source.endswith(f"{question['doc']}.pdf")
        assert set(citation.pages) <= evidence
        assert folded(citation.quote) in folded(opened(citation, data))
