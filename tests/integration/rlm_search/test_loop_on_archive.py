"""The example archive, indexed by the real command and asked without a language model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rlm_search import RLM, Answer, ExtractiveModel

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "index"
    command = [sys.executable, "-c", "from ingest.cli import main; main()"]
    subprocess.run([*command, str(EXAMPLES / "archive"), "--index", str(path)], check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def answers(index: Path) -> dict[str, list[tuple[dict[str, Any], Answer]]]:
    """Every question with its answer, by the question's type."""
    rlm = RLM(model=ExtractiveModel(), retriever=index)
    found: dict[str, list[tuple[dict[str, Any], Answer]]] = {}
    for line in (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        question = json.loads(line)
        found.setdefault(question["type"], []).append((question, rlm.run(question["question"])))
    return found


def quotes_evidence(question: dict[str, Any], answer: Answer) -> bool:
    return any(
        citation.source == evidence["doc"]
        and (folded(evidence["quote"]) in folded(citation.quote) or folded(citation.quote) in folded(evidence["quote"]))
        for evidence in question["evidence"]
        for citation in answer.citations
    )


def folded(text: str) -> str:
    return re.sub(r"[\s|]+", " ", text).strip()


@pytest.mark.parametrize(("kind", "least"), [("single-fact", 8), ("contradiction", 4)])
def test_the_evidence_is_quoted(answers: dict[str, Any], kind: str, least: int) -> None:
    assert sum(quotes_evidence(question, answer) for question, answer in answers[kind]) >= least


def test_what_the_archive_does_not_hold_is_not_found(answers: dict[str, Any]) -> None:
    assert sum(answer.status == "not_found" for _, answer in answers["not-in-archive"]) >= 3


def test_every_citation_opens_at_its_quote(answers: dict[str, Any], index: Path) -> None:
    from retrievers.registry import open_retriever

    retriever = open_retriever(index)
    for pairs in answers.values():
        for _, answer in pairs:
            assert answer.rejected == ()
            for citation in answer.citations:
                assert retriever.get(citation.doc_id).content[citation.start : citation.end] == citation.quote
                assert bool(citation.pages) == citation.source.endswith(".pdf")
