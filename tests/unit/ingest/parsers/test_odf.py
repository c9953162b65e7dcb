"""OpenDocument texts give headings, lists, tables and notes; presentations give slides as pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import ParseError
from ingest.parsers import parser_for
from ingest.types import DEFAULT_OPTIONS, Parsed
from tests.unit.ingest.parsers.packages import an_opendocument


def parsed_of(folder: Path, content: bytes) -> Parsed:
    path = folder / "unnamed"
    path.write_bytes(content)
    (parsed,) = parser_for(path)(path, DEFAULT_OPTIONS)
    assert isinstance(parsed, Parsed)
    return parsed


def a_row(*cells: str) -> str:
    inner = (f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in cells)
    return f"<table:table-row>{''.join(inner)}</table:table-row>"


def test_a_text_becomes_paragraphs_with_headings_lists_and_rows(tmp_path: Path) -> None:
    body = (
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        '<text:h text:outline-level="2">Fares</text:h>'
        "<text:p>The ferry<text:s/>left"
        "<text:note><text:note-body><text:p>At noon.</text:p></text:note-body></text:note>"
        " early.<text:line-break/>It came back.</text:p>"
        "<text:list><text:list-item><text:p>adults</text:p></text:list-item></text:list>"
        f"<table:table>{a_row('Class', 'Price')}{a_row('Foot', '3')}</table:table>"
    )
    meta = "<dc:title>Harbour</dc:title><meta:initial-creator>A. Hale</meta:initial-creator><dc:creator>B.</dc:creator>"
    parsed = parsed_of(tmp_path, an_opendocument("text", body, meta))
    assert parsed.text == (
        "Fares\n\nThe ferry left early.\nIt came back.\nAt noon.\n- adults\n\nClass | Price\nClass: Foot | Price: 3"
    )
    assert [(heading.title, heading.level, heading.start) for heading in parsed.headings] == [("Fares", 2, 0)]
    assert (parsed.title, parsed.metadata) == ("Harbour", {"author": "A. Hale"})


def test_slides_are_pages_with_their_notes(tmp_path: Path) -> None:
    title = '<draw:frame presentation:class="title"><draw:text-box><text:p>{}</text:p></draw:text-box></draw:frame>'
    notes = "<presentation:notes><text:p>Slowly.</text:p></presentation:notes>"
    body = f"<draw:page>{title.format('One')}{notes}</draw:page><draw:page>{title.format('Two')}</draw:page>"
    parsed = parsed_of(tmp_path, an_opendocument("presentation", body))
    assert parsed.text == "One\n\nNotes: Slowly.\n\nTwo\n\n"
    assert [(h.title, h.start) for h in parsed.headings] == list(zip(("One", "Two"), parsed.pages, strict=True))


def test_a_text_with_a_password_is_encrypted(tmp_path: Path) -> None:
    manifest = "<m><file-entry><encryption-data/></file-entry></m>"
    with pytest.raises(ParseError) as refused:
        parsed_of(tmp_path, an_opendocument("text", "", **{"META-INF/manifest.xml": manifest}))
    assert refused.value.kind == "encrypted"


def test_a_cell_that_claims_to_stand_for_a_billion_costs_nothing(tmp_path: Path) -> None:
    cell = '<table:table-cell table:number-columns-repeated="999999999"><text:p>x</text:p></table:table-cell>'
    row = f"<table:table-row>{cell}</table:table-row>"
    parsed = parsed_of(tmp_path, an_opendocument("text", f"<table:table>{row}</table:table>"))
    assert 0 < len(parsed.text) < 10_000
