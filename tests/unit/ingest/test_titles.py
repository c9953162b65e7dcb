"""A title is what a person wrote, not what a program put in its place."""

# ruff: noqa: RUF001 - words of many languages, in their own letters
from __future__ import annotations

import pytest

from ingest.identity import title_of
from ingest.titles import is_title
from ingest.types import Parsed
from retrievers.types import Heading


@pytest.mark.parametrize(
    "text",
    [
        "PowerPoint Presentation", "PowerPoint-Präsentation", "Présentation PowerPoint", "Презентация PowerPoint",
        "Slide 1", "Folie 3", "Diapositive 1", "スライド 1", "Document1", "Dokument1", "Documento 2", "文档1",
        "Книга1",
        "Untitled document", "Untitled presentation", "Ohne Titel", "Sans titre", "無題", "Без названия",
        "doc1.docx", "Annual Report final v2.DOC", "scan0001.tif", "letter.eml", r"C:\Users\x\letter", "/srv/x/letter",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "{3F2504E0-4F89-11D3-9A0C-0305E82C3301}", "Sin título 1",
        "d41d8cd98f00b204e9800998ecf8427e",
        "IMG_1234", "Scan 0042", "DSC01234", "about:blank", "Inhaltsverzeichnis", "1234", "", "Template", "Titel",
    ],
)  # fmt: skip
def test_what_a_program_wrote_is_no_title(text: str) -> None:
    assert not is_title(text)


@pytest.mark.parametrize(
    "text",
    [
        "Annual Report 2018", "Image of a City", "Presentation of the Results", "Documenting the Sea", "Slide Rules",
        "The Title", "Cover Letters", "Sheet Music for All", "Bücher im Hafen", "港の歴史", "Über uns",
        "Node.js in Action", "2018 Annual Report",
        "Document 1 of the Treaty", "Scanning Electron Microscopy", "3M Annual Report", "Faced with Defaced Deeds",
    ],
)  # fmt: skip
def test_what_a_person_wrote_is_one(text: str) -> None:
    assert is_title(text)


@pytest.mark.parametrize(
    "heading", ["Introduction", "1 Installation", "2.1. Methods", "IV. Results", "Abstract:", "Vorwort"]
)
def test_the_heading_of_a_part_is_not_the_title_of_the_whole(heading: str) -> None:
    headings = (Heading(title=heading, level=1, start=0),)
    parsed = Parsed(text="", media_type="text/plain", title="Slide 1", headings=headings)
    assert title_of(parsed, "harbour_guide.pdf") == "harbour guide"


def test_source_code_is_called_by_its_file() -> None:
    headings = (Heading(title="class Fare", level=1, start=0),)
    assert title_of(Parsed(text="", media_type="text/x-python", headings=headings), "fare.py") == "fare.py"
