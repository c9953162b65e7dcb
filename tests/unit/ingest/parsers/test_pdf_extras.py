"""What hangs on the pages of a PDF: forms, notes, attached files, metadata; and the limits of what is read."""

from __future__ import annotations

from pathlib import Path

from ingest.parsers.pdf import parse
from ingest.types import Enclosed, Parsed, ParserOptions
from tests.unit.ingest.parsers import papers

PAGE = papers.paper(["The ferry left at seven."])
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/">
<pdf:Producer>x</pdf:Producer><dc:title><rdf:Alt><rdf:li xml:lang="x-default">The Ferry</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>Ann</rdf:li><rdf:li>Bob</rdf:li></rdf:Seq></dc:creator>
</rdf:Description></rdf:RDF></x:xmpmeta>"""
EVIL = """<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]>"""


def read(folder: Path, content: bytes, options: ParserOptions | None = None) -> list[Parsed | Enclosed]:
    path = folder / "paper.pdf"
    path.write_bytes(content)
    found: list[Parsed | Enclosed] = []
    for item in parse(path, options or ParserOptions()):
        found.append(item)
        if isinstance(item, Enclosed):
            with item.open() as content_of_it:
                assert content_of_it.read() == b"attached"
    return found


def document(folder: Path, content: bytes, options: ParserOptions | None = None) -> Parsed:
    first = read(folder, content, options)[0]
    assert isinstance(first, Parsed)
    return first


def test_the_fields_of_a_form_are_lines_of_its_page(tmp_path: Path) -> None:
    parsed = document(tmp_path, papers.form(vessel="Kittiwake", port="Bergen"))
    assert parsed.text.splitlines() == ["Please fill in.", "vessel: Kittiwake", "port: Bergen"]


def test_a_note_on_a_page_is_read(tmp_path: Path) -> None:
    assert "Ask the harbour master" in document(tmp_path, papers.noted(PAGE, "Ask the harbour master")).text


def test_attached_files_come_after_the_document(tmp_path: Path) -> None:
    found = read(tmp_path, papers.with_attachment(PAGE, "list.txt", b"attached"))
    assert [type(item) for item in found] == [Parsed, Enclosed]
    assert isinstance(found[1], Enclosed)
    assert found[1].name == "list.txt"


def test_a_title_that_only_xmp_tells_is_found(tmp_path: Path) -> None:
    parsed = document(tmp_path, papers.raw(b"BT /F 12 Tf 72 700 Td (Words) Tj ET") + XMP.encode())
    assert (parsed.title, parsed.metadata["author"]) == ("The Ferry", "Ann, Bob")


def test_entities_in_xmp_are_left_alone(tmp_path: Path) -> None:
    evil = EVIL + XMP.replace("The Ferry", "&f;")
    assert document(tmp_path, papers.raw(b"BT ET") + evil.encode()).title == ""


def test_no_more_than_so_many_pages_are_read(tmp_path: Path) -> None:
    content = papers.paper(["One"], ["Two"], ["Three"])
    parsed = document(tmp_path, content, ParserOptions(file_pages=2))
    assert (parsed.text, parsed.warnings, len(parsed.pages)) == ("One\nTwo\n", ("truncated",), 2)


def test_no_more_than_so_many_characters_are_read(tmp_path: Path) -> None:
    content = papers.paper(["One"], ["Two"], ["Three"])
    parsed = document(tmp_path, content, ParserOptions(file_characters=7))
    assert (parsed.text, parsed.warnings) == ("One\nTwo\nT\n", ("truncated",))
    first = document(tmp_path, content, ParserOptions(file_characters=2))
    assert (first.text, first.warnings) == ("On\n", ("truncated",))


def test_a_tree_of_pages_that_bites_its_tail_ends(tmp_path: Path) -> None:
    content = (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[3 0 R 4 0 R]/Count 100>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 5 0 R"
        b"/Resources<</Font<</F 6 0 R>>>>>>endobj\n"
        b"4 0 obj<</Type/Pages/Parent 2 0 R/Kids[2 0 R 4 0 R 3 0 R]/Count 98>>endobj\n"
        b"5 0 obj<</Length 36>>stream\nBT /F 12 Tf 72 700 Td (Once) Tj ET  \nendstream endobj\n"
        b"6 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"
        b"trailer<</Root 1 0 R>>\n%%EOF"
    )
    assert "Once" in document(tmp_path, content).text
