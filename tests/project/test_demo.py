"""What the README promises of the example archive: the demo answers with citations, and search finds the evidence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from retrievers import open_retriever
from retrievers.protocols import RetrieverProtocol
from tests.project.reading import ARCHIVE, ROOT, questions

pytestmark = pytest.mark.integration

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    home = tmp_path_factory.mktemp("demo")
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(home), "RLM_SEARCH_HOME": str(home)}
    index = home / "index"
    command = ["bash", "scripts/demo.sh", str(index)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    return done, index


def test_the_demo_answers_three_questions_with_citations(
    demo: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = demo

    assert done.returncode == 0, done.stderr
    assert done.stdout.count('rlm-search ask "') >= 3
    for fact in ("77 days", "pitch feedback sensor", "EUR 18,500"):
        assert fact in done.stdout, done.stdout
    assert "[1]" in done.stdout
    assert "No language model was used" in done.stdout + done.stderr


@pytest.fixture(scope="module")
def retriever(demo: tuple[subprocess.CompletedProcess[str], Path]) -> RetrieverProtocol:
    return open_retriever(demo[1])


def test_every_document_of_the_archive_is_indexed(retriever: RetrieverProtocol) -> None:
    files = {path.relative_to(ARCHIVE).as_posix() for path in ARCHIVE.rglob("*") if path.is_file()}
    found = {summary.source for summary in retriever.scan()}  # type: ignore[attr-defined] # the embedded engine scans

    assert found == files


@pytest.mark.parametrize("method", ["search", "hybrid_search"])
def test_plain_questions_find_their_evidence_among_the_first_ten(retriever: RetrieverProtocol, method: str) -> None:
    answerable = [question for question in questions() if question.evidence]
    missed = [
        question.question
        for question in answerable
        if not {evidence.doc for evidence in question.evidence}
        & {hit.source for hit in getattr(retriever, method)(question.question, top_k=10)}
    ]

    assert len(missed) <= len(answerable) // 10, missed


def test_the_example_of_the_library_runs_as_the_readme_shows_it(
    demo: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    [shown] = re.findall(
        r"^```python\n(from .*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    program = shown.replace("openai:gpt-5-mini", "extractive").replace(".rlm-search/index", str(demo[1]))

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "77 days late" in done.stdout
    assert "2023-06-30-amendment-2-settlement.docx" in done.stdout
