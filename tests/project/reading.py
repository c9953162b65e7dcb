"""The example archive read with the formats' own libraries, as a reference that owes nothing to our parsers."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent.parent
ARCHIVE = ROOT / "examples" / "archive"
QUESTIONS = ROOT / "examples" / "questions.jsonl"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A passage that an answer rests on; pages are numbered from one, and None where a document has none."""

    doc: str
    page: int | None
    quote: str


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of examples/questions.jsonl."""

    id: str
    question: str
    type: str
    answer: str
    evidence: list[Evidence]


def questions() -> list[Question]:
    """All questions, in the order of the file."""
    return [msgspec.json.decode(line, type=Question) for line in QUESTIONS.read_bytes().splitlines()]


def page_texts(path: Path) -> list[str]:
    """The text of each page; a format without pages has one."""
    match path.suffix:
        case ".pdf":
            return _pdf_pages(path)
        case ".docx":
            return [_docx_text(path)]
        case ".html":
            return [_html_text(path)]
        case ".eml":
            return [_eml_text(path)]
        case _:
            return [path.read_text(encoding="utf-8")]


def _pdf_pages(path: Path) -> list[str]:
    import pypdfium2

    with pypdfium2.PdfDocument(path) as document:
        texts = []
        for page in document:
            text_page = page.get_textpage()
            texts.append(text_page.get_text_range())
            text_page.close()
            page.close()
        return texts


def _docx_text(path: Path) -> str:
    import docx

    document = docx.Document(str(path))
    lines = [paragraph.text for paragraph in document.paragraphs]
    lines += [" | ".join(cell.text for cell in row.cells) for table in document.tables for row in table.rows]
    return "\n".join(lines)


def _html_text(path: Path) -> str:
    import lxml.html

    return " ".join(map(str, lxml.html.document_fromstring(path.read_bytes()).itertext()))


def _eml_text(path: Path) -> str:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())
