"""Word documents give text, headings, tables and properties; bombs and damage are errors."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import docx
import pytest
from docx.document import Document as Paper

from ingest.errors import ParseError
from ingest.parsers.docx import parse
from ingest.types import Parsed

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def parsed_of(folder: Path, content: bytes) -> Parsed:
    path = folder / "paper.docx"
    path.write_bytes(content)
    (parsed,) = parse(path)
    return parsed


def made(build: Callable[[Paper], object]) -> bytes:
    paper = docx.Document()
    build(paper)
    buffer = io.BytesIO()
    paper.save(buffer)
    return buffer.getvalue()


def packed(body: bytes, **parts: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", body)
        for name, content in parts.items():
            archive.writestr(f"word/{name}.xml", content)
    return buffer.getvalue()


def body(inner: str) -> bytes:
    return f'<w:document xmlns:w="{W}"><w:body>{inner}</w:body></w:document>'.encode()


def a_report(paper: Paper) -> None:
    paper.core_properties.title = "Harbour Report"
    paper.core_properties.author = "A. Hale"
    paper.core_properties.created = datetime(2024, 5, 1, 10, 0)
    paper.add_heading("Overview", 0)
    paper.add_paragraph("The ferry\tleft.\nIt came back.")
    paper.add_heading("Fares", 2)
    paper.add_paragraph("adults", style="List Bullet")
    table = paper.add_table(rows=2, cols=2)
    for cell, text in zip([*table.rows[0].cells, *table.rows[1].cells], ["Class", "Price", "Foot", "3 €"], strict=True):
        cell.text = text
    paper.add_paragraph("The end.")


def test_a_document_becomes_text_with_headings_and_rows(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, made(a_report))
    assert parsed.text == (
        "Overview\n\nThe ferry left.\nIt came back.\n\nFares\n\nadults\n\n"
        "Class | Price\nClass: Foot | Price: 3 €\n\nThe end."
    )
    assert [(heading.title, heading.level) for heading in parsed.headings] == [("Overview", 1), ("Fares", 2)]
    assert all(parsed.text.startswith(heading.title, heading.start) for heading in parsed.headings)


def test_core_properties_are_title_and_metadata(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, made(a_report))
    assert parsed.title == "Harbour Report"
    assert (parsed.metadata["author"], parsed.metadata["created"]) == ("A. Hale", "2024-05-01")


def test_a_table_whose_first_row_is_marked_as_header_names_its_cells(tmp_path: Path) -> None:
    def row(mark: str, *cells: str) -> str:
        return (
            f"<w:tr>{mark}" + "".join(f"<w:tc><w:p><w:r><w:t>{c}</w:t></w:r></w:p></w:tc>" for c in cells) + "</w:tr>"
        )

    header = row("<w:trPr><w:tblHeader/></w:trPr>", "Class", "Price")
    content = packed(body("<w:tbl>" + header + row("", "Foot", "3") + row("", "", "") + "</w:tbl>"))
    assert parsed_of(tmp_path, content).text == "Class | Price\nClass: Foot | Price: 3"


def test_styles_of_other_languages_and_outline_levels_are_headings(tmp_path: Path) -> None:
    styles = (
        f'<w:styles xmlns:w="{W}"><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
        '<w:style w:styleId="Own"><w:name w:val="Own"/><w:pPr><w:outlineLvl w:val="2"/></w:pPr></w:style></w:styles>'
    ).encode()
    paragraph = '<w:p><w:pPr><w:pStyle w:val="{}"/></w:pPr><w:r><w:t>{}</w:t></w:r></w:p>'
    content = packed(body(paragraph.format("berschrift1", "Eins") + paragraph.format("Own", "Drei")), styles=styles)
    parsed = parsed_of(tmp_path, content)
    assert [(heading.title, heading.level) for heading in parsed.headings] == [("Eins", 1), ("Drei", 3)]


def test_footnotes_are_kept_and_deletions_are_not(tmp_path: Path) -> None:
    inner = "<w:p><w:r><w:t>kept</w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>"
    notes = f'<w:footnotes xmlns:w="{W}"><w:footnote><w:p><w:r><w:t>a note</w:t></w:r></w:p></w:footnote></w:footnotes>'
    assert parsed_of(tmp_path, packed(body(inner), footnotes=notes.encode())).text == "kept\n\na note"


def test_a_text_box_is_read_once(tmp_path: Path) -> None:
    box = "<w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent>"
    mc = "http://schemas.openxmlformats.org/markup-compatibility/2006"
    inner = (
        f'<w:p><w:r><w:t>before</w:t><mc:AlternateContent xmlns:mc="{mc}"><mc:Choice>{box}</mc:Choice>'
        f"<mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    assert parsed_of(tmp_path, packed(body(inner))).text == "before\nboxed"


def test_a_part_that_unpacks_to_too_much_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="unpacks to") as refused:
        parsed_of(tmp_path, packed(body("<w:p/>" + " " * 30_000_000)))
    assert refused.value.kind == "too-large"


def test_entities_do_not_explode_and_no_file_is_read(tmp_path: Path) -> None:
    bomb = b'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY x SYSTEM "file:///etc/passwd">]>'
    content = packed(bomb + body("<w:p><w:r><w:t>&a;&x;</w:t></w:r></w:p>"))
    assert "root:" not in parsed_of(tmp_path, content).text


def test_a_billion_laughs_in_it_stay_unheard(tmp_path: Path) -> None:
    laughs = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
    content = packed(b'<!DOCTYPE d [<!ENTITY l0 "ha">' + laughs + b"]>" + body("<w:p><w:r><w:t>&l9;</w:t></w:r></w:p>"))
    try:
        heard = len(parsed_of(tmp_path, content).text)
    except ParseError as refused:
        heard = 0
        assert refused.kind == "broken"  # noqa: PT017
    assert heard < 1_000


@pytest.mark.parametrize("content", [packed(b"<w:document"), packed(b"no xml"), packed(body("<a>" * 100_000))])
def test_damaged_xml_is_broken(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ParseError, match="damaged") as refused:
        parsed_of(tmp_path, content)
    assert refused.value.kind == "broken"


def test_a_damaged_container_is_broken(tmp_path: Path) -> None:
    content = bytearray(made(a_report))
    content[200:1_200] = bytes(1_000)
    with pytest.raises(ParseError):
        parsed_of(tmp_path, bytes(content))
