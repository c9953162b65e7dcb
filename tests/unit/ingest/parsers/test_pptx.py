"""Slides are pages, in the order they are shown, with titles, tables and notes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import ParseError
from ingest.parsers.pptx import parse
from ingest.types import Parsed
from tests.unit.ingest.parsers.packages import a_presentation, a_shape, packed, relations


def parsed_of(folder: Path, content: bytes) -> Parsed:
    path = folder / "talk.pptx"
    path.write_bytes(content)
    (parsed,) = parse(path)
    return parsed


def a_table(*rows: tuple[str, ...]) -> str:
    cells = "".join(
        "<a:tr>"
        + "".join(f"<a:tc><a:txBody><a:p><a:r><a:t>{cell}</a:t></a:r></a:p></a:txBody></a:tc>" for cell in row)
        + "</a:tr>"
        for row in rows
    )
    return (
        f"<p:graphicFrame><a:graphic><a:graphicData><a:tbl>{cells}</a:tbl></a:graphicData></a:graphic></p:graphicFrame>"
    )


def test_each_slide_is_a_page_with_its_title_as_heading(tmp_path: Path) -> None:
    last = a_shape("Thanks", kind="title") + a_shape("12", kind="sldNum")
    first = a_shape("Points", "more") + a_shape("Harbours", kind="ctrTitle") + a_table(("Port", "Tons"), ("Oslo", "12"))
    parsed = parsed_of(tmp_path, a_presentation([last, first]))
    assert parsed.text == "Harbours\n\nPoints\nmore\n\nPort | Tons\nPort: Oslo | Tons: 12\n\nThanks\n\n"
    assert [parsed.text[start:][:6] for start in parsed.pages] == ["Harbou", "Thanks"]
    assert [(heading.title, heading.start) for heading in parsed.headings] == [
        ("Harbours", 0),
        ("Thanks", parsed.pages[1]),
    ]


def test_notes_and_charts_belong_to_their_slide(tmp_path: Path) -> None:
    c = "http://schemas.openxmlformats.org/drawingml/2006/chart"

    def points(kind: str, *values: str) -> str:
        return f"<c:{kind}>{''.join(f'<c:v>{value}</c:v>' for value in values)}</c:{kind}>"

    chart = points("tx", "Tons") + points("cat", "Oslo", "Bergen") + points("val", "12", "7")
    more = {
        "ppt/slides/_rels/slide1.xml.rels": relations(
            a=("notesSlide", "../notesSlides/n.xml"), b=("chart", "../charts/c.xml")
        ),
        "ppt/notesSlides/n.xml": f"<p:notes SPACES>{a_shape('Say it slowly.')}{a_shape('3', kind='sldNum')}</p:notes>",
        "ppt/charts/c.xml": f'<c:chart xmlns:c="{c}"><c:ser>{chart}</c:ser></c:chart>',
    }
    parsed = parsed_of(tmp_path, a_presentation([a_shape("Slide")], more))
    assert parsed.text == "Slide\n\nNotes: Say it slowly.\n\nTons | Oslo: 12 | Bergen: 7\n"


def test_a_slide_without_text_is_an_empty_page(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, a_presentation(["", a_shape("x")]))
    assert (parsed.text.strip(), len(parsed.pages)) == ("x", 2)


def test_a_damaged_slide_is_broken(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="damaged"):
        parsed_of(tmp_path, a_presentation(["<p:sp>"]))


def test_without_its_main_part_it_is_broken(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="missing"):
        parsed_of(tmp_path, packed({"ppt/slides/slide1.xml": "<x/>"}))
