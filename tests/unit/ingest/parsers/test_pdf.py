"""PDFs give clean text with pages, labels, outline and metadata; bad ones fail with their kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import ParseError
from ingest.parsers.pdf import parse
from ingest.parsers.pdf_text import cleaned, date
from ingest.types import Parsed
from tests.unit.ingest.parsers import papers

PAGES = (["Part One", "The ferry left at seven."], ["First Things", "It came back at nine."], ["The End"])


def parsed_of(folder: Path, content: bytes) -> Parsed:
    path = folder / "paper.pdf"
    path.write_bytes(content)
    (parsed,) = parse(path)
    assert isinstance(parsed, Parsed)
    return parsed


def page_texts(parsed: Parsed) -> list[str]:
    ends = [*parsed.pages[1:], len(parsed.text)]
    return [parsed.text[start:end] for start, end in zip(parsed.pages, ends, strict=True)]


def test_the_text_comes_page_by_page(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, papers.paper(*PAGES))
    assert page_texts(parsed) == [
        "Part One\nThe ferry left at seven.\n",
        "First Things\nIt came back at nine.\n",
        "The End\n",
    ]
    assert not parsed.warnings


def test_an_empty_page_keeps_its_number(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, papers.paper(["one"], [], ["three"], []))
    assert page_texts(parsed) == ["one\n", "", "three\n", ""]


def test_what_the_file_says_of_itself_is_metadata(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, papers.paper(*PAGES, title="The Log", author="A. Hale"))
    assert parsed.title == "The Log"
    assert parsed.metadata["author"] == "A. Hale"
    assert str(parsed.metadata["created"])[:2] == "20"


def test_the_outline_gives_headings_where_they_stand(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, papers.outlined(papers.paper(*PAGES)))
    assert [(heading.title, heading.level) for heading in parsed.headings] == [
        ("Part One", 1),
        ("First Things", 2),
        ("Not on its page", 1),
    ]
    assert [parsed.text[heading.start :].split("\n")[0] for heading in parsed.headings[:2]] == [
        "Part One",
        "First Things",
    ]
    assert parsed.headings[2].start >= parsed.pages[1]


def test_a_cyclic_outline_ends(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, papers.cyclic(papers.paper(*PAGES)))
    assert [heading.title for heading in parsed.headings] == ["One", "Two"]


def test_printed_page_labels_are_kept_where_they_differ_from_the_numbers(tmp_path: Path) -> None:
    assert parsed_of(tmp_path, papers.labelled(papers.paper(*PAGES))).page_labels[:2] == ("i", "ii")
    assert parsed_of(tmp_path, papers.paper(*PAGES)).page_labels == ()


def test_a_scan_is_indexed_and_says_that_it_has_no_text(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, papers.scan(2))
    assert (parsed.text, parsed.warnings, parsed.metadata["scanned_pages"]) == ("", ("needs-ocr",), 2)


def test_a_stamp_on_a_scan_does_not_make_it_text(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, papers.scan(1, text="Copy"))
    assert (parsed.text, parsed.warnings, parsed.metadata["scanned_pages"]) == ("Copy\n", ("needs-ocr",), 1)


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128"])
def test_a_file_behind_a_password_is_encrypted(tmp_path: Path, algorithm: str) -> None:
    with pytest.raises(ParseError, match="password") as refused:
        parsed_of(tmp_path, papers.encrypted(papers.paper(*PAGES), user="secret", algorithm=algorithm))
    assert refused.value.kind == "encrypted"


def test_a_file_that_everybody_may_open_is_read(tmp_path: Path) -> None:
    assert "ferry" in parsed_of(tmp_path, papers.encrypted(papers.paper(*PAGES))).text


def test_the_good_pages_of_a_file_with_a_bad_one_are_kept(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, papers.with_a_bad_page(papers.paper(*PAGES), 1))
    texts = page_texts(parsed)
    assert (texts[0], texts[-1]) == ("Part One\nThe ferry left at seven.\n", "The End\n")
    assert "First Things" not in parsed.text


def test_a_file_whose_end_is_cut_off_is_read_as_far_as_it_goes_or_broken(tmp_path: Path) -> None:
    content = papers.paper(*PAGES)
    with pytest.raises(ParseError) as refused:
        parsed_of(tmp_path, content[: len(content) // 3])
    assert refused.value.kind == "broken"
    assert "ferry" in parsed_of(tmp_path, content[: content.rindex(b"xref")]).text


@pytest.mark.parametrize("content", [b"%PDF-1.4", b"no PDF at all", b"%PDF-1.4\n" + bytes(range(256)) * 40])
def test_what_is_no_pdf_is_broken(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ParseError) as refused:
        parsed_of(tmp_path, content)
    assert refused.value.kind == "broken"


def test_a_file_without_pages_is_broken(tmp_path: Path) -> None:
    content = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
    with pytest.raises(ParseError, match="no pages"):
        parsed_of(tmp_path, content + b"trailer<</Root 1 0 R>>\n%%EOF")


def test_ten_thousand_empty_pages_are_read(tmp_path: Path) -> None:
    kids = b" ".join(b"3 0 R" for _ in range(10_000))
    content = (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 10000/Kids[" + kids + b"]>>"
        b"endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
    )
    parsed = parsed_of(tmp_path, content)
    assert (parsed.text, len(parsed.pages)) == ("", 10_000)


def test_a_line_painted_twice_comes_once(tmp_path: Path) -> None:
    stream = b"BT /F 12 Tf 72 700 Td (Bold heading) Tj ET BT /F 12 Tf 72.3 700 Td (Bold heading) Tj ET"
    assert parsed_of(tmp_path, papers.raw(stream)).text.count("Bold heading") == 1


def test_what_pdfium_refuses_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pypdfium2.raw as pdfium

    monkeypatch.setattr(pdfium, "FPDF_LoadDocument", lambda path, password: None)
    monkeypatch.setattr(pdfium, "FPDF_GetLastError", lambda: pdfium.FPDF_ERR_FORMAT)
    parsed = parsed_of(tmp_path, papers.paper(*PAGES))
    assert parsed.warnings == ("repaired",)
    assert page_texts(parsed)[1] == "First Things\nIt came back at nine.\n"
    with pytest.raises(ParseError) as refused:
        parsed_of(tmp_path, papers.encrypted(papers.paper(*PAGES), user="secret"))
    assert refused.value.kind == "encrypted"


@pytest.mark.parametrize(
    ("found", "clean"),
    [
        ("exam\ufffeple", "example"),
        ("exam\u00ad\nple", "example"),
        ("\ufb01nd the \ufb02ow", "find the flow"),
        ("10\r\n, and more\r\n.5 stays", "10, and more\n.5 stays"),
        ("a footnote\n) ends", "a footnote) ends"),
        ("a\u00a0b", "a b"),
    ],
)
def test_a_page_is_cleaned(found: str, clean: str) -> None:
    assert cleaned(found) == clean


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ("D:20190207113042-05'00'", "2019-02-07"),
        ("D:2019", "2019-01-01"),
        ("20190207", "2019-02-07"),
        ("2019-02-07", "2019-01-01"),
        ("D:20191307", ""),
        ("yesterday", ""),
        ("", ""),
        ("D:00000000", ""),
    ],
)
def test_a_date_becomes_iso(written: str, iso: str) -> None:
    assert date(written) == iso
