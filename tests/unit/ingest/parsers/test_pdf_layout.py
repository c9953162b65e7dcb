"""Text comes in the order in which it is read, whatever the order in which it was painted."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from ingest.parsers.pdf import parse
from ingest.types import Parsed
from tests.unit.ingest.parsers import papers

LEFT = [
    "Far out in the uncharted backwaters of",
    "the unfashionable end of the arm lies a",
    "small unregarded sun. Orbiting it is an",
    "utterly insignificant planet whose ape-",
    "descended life forms are so amazingly",
    "primitive that they still think digital",
    "watches are a pretty neat idea. It has",
]
RIGHT = [
    "or rather had a problem, which was that",
    "most of the people living on it were un-",
    "happy for pretty much of the time. Many",
    "solutions were suggested, but most were",
    "largely concerned with the movements of",
    "small green pieces of paper, which is",
    "odd because it was not the paper.",
]


def drawn(draw: Callable[[Canvas], None]) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(612, 792))
    draw(canvas)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def read(folder: Path, content: bytes) -> Parsed:
    path = folder / "page.pdf"
    path.write_bytes(content)
    (parsed,) = parse(path)
    assert isinstance(parsed, Parsed)
    return parsed


def rows(canvas: Canvas, left: list[str], right: list[str], top: int = 700) -> None:
    for number, (one, other) in enumerate(zip(left, right, strict=True)):
        canvas.drawString(72, top - 14 * number, one)
        canvas.drawString(320, top - 14 * number, other)


def test_two_columns_painted_row_by_row_are_read_one_after_the_other(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 740, "A heading that stands above both of the columns of this page")
        rows(canvas, LEFT, RIGHT)
        canvas.drawString(72, 560, "A line below both of the columns, which is as long as a line can be here.")

    text = read(tmp_path, drawn(draw)).text
    assert text.splitlines()[0].startswith("A heading")
    assert text.splitlines()[-1].startswith("A line below")
    assert "It has\nor rather had a problem" in text
    assert "whose apedescended" in text
    assert "were unhappy for" in text


def test_columns_painted_one_after_the_other_stay_as_they_are(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for x, lines in ((72, LEFT), (320, RIGHT)):
            for number, line in enumerate(lines):
                canvas.drawString(x, 700 - 14 * number, line)

    text = read(tmp_path, drawn(draw)).text
    assert text.index("neat idea") < text.index("or rather")


def test_a_table_keeps_its_rows(tmp_path: Path) -> None:
    names = [f"Revenue of segment number {n}, net of tax" for n in range(9)]
    figures = [f"{n}1,234,567 in 2017 {n}2,345,678 in 2018" for n in range(9)]
    text = read(tmp_path, drawn(lambda canvas: rows(canvas, names, figures))).text
    assert "number 3, net of tax 31,234,567 in 2017" in text


def test_a_raised_number_stays_on_its_line(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 12)
        canvas.drawString(72, 700, "The dose was raised")
        end = 72 + canvas.stringWidth("The dose was raised")
        canvas.setFont("Helvetica", 6)
        canvas.drawString(end, 709, "12")
        canvas.setFont("Helvetica", 12)
        canvas.drawString(end + 7, 700, " for all")

    assert read(tmp_path, drawn(draw)).text == "The dose was raised12 for all\n"


def test_equal_lines_below_each_other_both_stay(tmp_path: Path) -> None:
    parsed = read(tmp_path, papers.paper(["Transformer block", "Transformer block", "Output"]))
    assert parsed.text == "Transformer block\nTransformer block\nOutput\n"


HEBREW = "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd"
ARABIC = "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645"
SENTENCE = "The ferry left at seven and came back at nine with all of its cargo."


@pytest.mark.parametrize("text", [HEBREW, ARABIC])
def test_text_that_runs_from_right_to_left_is_in_the_order_in_which_it_is_read(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, papers.with_font(text[::-1], start=1)).text == f"{text}\n"


def test_numbers_and_latin_words_within_it_keep_their_own_direction(tmp_path: Path) -> None:
    parsed = read(tmp_path, papers.with_font(f"abc 123 {HEBREW[::-1]}", start=1))
    assert parsed.text == f"{HEBREW} 123 abc\n"


def test_lines_from_top_to_bottom_are_read_from_right_to_left(tmp_path: Path) -> None:
    lines = [
        "\u7e26\u66f8\u304d\u306e\u6587\u7ae0",
        "\u4e8c\u884c\u76ee\u3082\u3042\u308b",
        "\u4e09\u884c\u76ee\u306e\u6587\u7ae0",
    ]
    parsed = read(tmp_path, papers.with_font(*lines, start=40, vertical=True))
    assert parsed.text == "\n".join(lines) + "\n"


@pytest.mark.parametrize("start", [1, 200, 0xE000])
def test_glyphs_without_a_map_to_letters_need_ocr(tmp_path: Path, start: int) -> None:
    assert read(tmp_path, papers.with_font(SENTENCE, start=start)).warnings == ()
    unmapped = read(tmp_path, papers.with_font(SENTENCE, start=start, unicode_map=False))
    assert (unmapped.warnings, unmapped.unread_pages) == (("needs-ocr",), 1)


def test_large_lines_are_the_headings_of_a_file_without_an_outline(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for page in range(5):
            canvas.setFont("Helvetica-Bold", 16)
            canvas.drawString(72, 760, "The Harbour Gazette")
            canvas.setFont("Helvetica-Bold", 20)
            canvas.drawString(72, 720, f"Chapter {'ABCDE'[page]} begins")
            canvas.setFont("Helvetica-Bold", 14)
            canvas.drawString(72, 690, "On what was found")
            canvas.drawString(72, 672, f"in the {'ABCDE'[page]} house")
            canvas.setFont("Helvetica", 10)
            for number in range(10):
                canvas.drawString(72, 650 - 12 * number, f"Line {number} of the text, which is set smaller than those.")
            canvas.showPage()

    parsed = read(tmp_path, drawn(draw))
    found = [(heading.level, heading.title) for heading in parsed.headings[:3]]
    assert found == [
        (1, "Chapter A begins"),
        (2, "On what was found in the A house"),
        (1, "Chapter B begins"),
    ]
    assert all(parsed.text[heading.start :].startswith(heading.title[:8]) for heading in parsed.headings), (
        "each stands where it says"
    )


def test_of_the_cover_of_a_long_document_only_the_title_is_a_heading(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for size, y, line in ((30, 600, "The Harbour"), (16, 500, "Annual report"), (16, 450, "Printed in Bergen")):
            canvas.setFont("Helvetica", size)
            canvas.drawString(72, y, line)
        for number in range(40):
            canvas.showPage()
            canvas.setFont("Helvetica", 10)
            canvas.drawString(72, 700, f"A line of page {number}, which is set as most of the text is.")

    assert [heading.title for heading in read(tmp_path, drawn(draw)).headings] == ["The Harbour"]


def test_text_of_one_size_has_no_headings(tmp_path: Path) -> None:
    assert read(tmp_path, papers.paper(LEFT, RIGHT)).headings == ()
