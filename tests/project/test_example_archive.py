"""The example archive is reproducible, small, and says what its questions claim."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from scripts import make_example_archive
from tests.project.reading import ARCHIVE, ROOT, Question, page_texts, questions

SOURCES = ROOT / "examples" / "source"


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_rendering_the_archive_again_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "archive"
    shutil.copytree(ARCHIVE, copy)

    make_example_archive.main([str(SOURCES), str(copy)])

    assert capsys.readouterr().out == "", "run `make archive` and commit what it changes"


def test_every_source_has_its_document_and_every_pdf_and_docx_its_source() -> None:
    from_sources = {path.relative_to(SOURCES).with_suffix("").as_posix() for path in SOURCES.rglob("*.md")}
    made = {p.relative_to(ARCHIVE).as_posix() for p in ARCHIVE.rglob("*") if p.suffix in {".pdf", ".docx"}}

    assert from_sources == made


def test_the_archive_is_small_and_has_every_format_of_the_first_release() -> None:
    files = [path for path in ARCHIVE.rglob("*") if path.is_file()]

    assert sum(path.stat().st_size for path in files) < 2_000_000
    assert {path.suffix for path in files} == {".pdf", ".docx", ".html", ".md", ".txt", ".csv", ".eml"}


@pytest.mark.parametrize("question", questions(), ids=lambda question: question.id)
def test_the_evidence_of_a_question_stands_in_the_archive(question: Question) -> None:
    for evidence in question.evidence:
        pages = page_texts(ARCHIVE / evidence.doc)
        searched = pages if evidence.page is None else [pages[evidence.page - 1]]
        assert squeezed(evidence.quote) in squeezed(" ".join(searched)), evidence
        assert (evidence.page is not None) == evidence.doc.endswith(".pdf"), "PDF evidence names its page"


def test_questions_are_of_all_kinds_and_only_the_unanswerable_have_no_evidence() -> None:
    kinds = Counter(question.type for question in questions())

    assert set(kinds) == {"single-fact", "multi-hop", "count", "contradiction", "not-in-archive"}
    assert min(kinds.values()) >= 4
    for question in questions():
        assert bool(question.evidence) == (question.type != "not-in-archive"), question.id


def test_a_multi_hop_question_needs_more_than_one_document() -> None:
    for question in questions():
        if question.type in {"multi-hop", "contradiction"}:
            assert len({evidence.doc for evidence in question.evidence}) > 1, question.id
