"""Pages that are pictures are found, counted and, where a program for it is installed, read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ingest.errors import ConfigError, ParseError
from ingest.parsers import image, ocr
from ingest.parsers.pages import page_ranges
from ingest.parsers.pdf import parse
from ingest.types import OcrOptions, Parsed, ParserOptions
from tests.unit.ingest.parsers import papers

NOT_READ = ParserOptions()
needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")


@pytest.fixture
def reading() -> ParserOptions:
    """Pictures are read by what is installed."""
    return ParserOptions(ocr=ocr.options("auto", ["eng"], 60.0))


@pytest.fixture
def without_tesseract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(ocr, "has_library", lambda: False)


def pdf(folder: Path, content: bytes, options: ParserOptions) -> Parsed:
    path = folder / "scan.pdf"
    path.write_bytes(content)
    (parsed,) = parse(path, options)
    assert isinstance(parsed, Parsed)
    return parsed


def picture(folder: Path, name: str, content: bytes, options: ParserOptions) -> Parsed:
    path = folder / name
    path.write_bytes(content)
    (parsed,) = image.parse(path, options)
    return parsed


@needs_tesseract
def test_scanned_pages_are_read_and_marked(tmp_path: Path, reading: ParserOptions) -> None:
    parsed = pdf(tmp_path, papers.scan_of("The ferry left at seven", "It came back at nine"), reading)
    assert parsed.text == "The ferry left at seven\nIt came back at nine\n"
    assert (parsed.metadata["scanned_pages"], parsed.metadata["ocr_pages"]) == (2, ("1-2",))
    assert (parsed.warnings, parsed.unread_pages) == ((), 0)


def test_scanned_pages_that_are_not_read_are_counted(tmp_path: Path) -> None:
    parsed = pdf(tmp_path, papers.scan_of("The ferry left at seven", "It came back at nine"), NOT_READ)
    assert (parsed.text, parsed.warnings, parsed.unread_pages) == ("", ("needs-ocr",), 2)
    assert "ocr_pages" not in parsed.metadata


@needs_tesseract
def test_pages_with_a_text_layer_are_left_alone_unless_all_are_to_be_read(tmp_path: Path) -> None:
    content = papers.paper(["The ferry left at seven, and it came back at nine."])
    asked = ParserOptions(ocr=ocr.options("always", ["eng"], 60.0))
    assert "ocr_pages" in pdf(tmp_path, content, asked).metadata
    auto = ParserOptions(ocr=ocr.options("auto", ["eng"], 60.0))
    assert "ocr_pages" not in pdf(tmp_path, content, auto).metadata


@needs_tesseract
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP"])
def test_an_image_is_read(tmp_path: Path, form: str, reading: ParserOptions) -> None:
    parsed = picture(tmp_path, "a.img", papers.picture_of("The ferry left at seven", form=form), reading)
    assert (parsed.text, parsed.warnings) == ("The ferry left at seven\n", ())
    assert parsed.media_type == f"image/{form.lower()}"


def test_an_image_that_is_not_read_says_so(tmp_path: Path) -> None:
    parsed = picture(tmp_path, "a.png", papers.picture_of("The ferry"), NOT_READ)
    assert (parsed.text, parsed.warnings, parsed.unread_pages) == ("", ("needs-ocr",), 1)


@pytest.mark.skipif(not ocr.has_library(), reason="the extra `ocr` is not installed")
@pytest.mark.integration
def test_the_library_of_the_extra_reads_pages_and_images(tmp_path: Path) -> None:
    by_library = ParserOptions(ocr=OcrOptions(program=""))
    parsed = pdf(tmp_path, papers.scan_of("The ferry left at seven"), by_library)
    assert (parsed.text, parsed.metadata["ocr_pages"]) == ("The ferry left at seven\n", ("1",))
    tiff = papers.picture_of("The ferry of day {}", form="TIFF", pages=2)
    assert picture(tmp_path, "a.tif", tiff, by_library).text == "The ferry of day 1\nThe ferry of day 2\n"


@needs_tesseract
def test_each_page_of_a_tiff_is_read(tmp_path: Path, reading: ParserOptions) -> None:
    content = papers.picture_of("The ferry of day {}", form="TIFF", pages=3)
    parsed = picture(tmp_path, "a.tif", content, reading)
    assert parsed.text == "The ferry of day 1\nThe ferry of day 2\nThe ferry of day 3\n"
    assert len(parsed.pages) == 3


def test_the_pages_of_a_tiff_are_counted_though_its_chain_be_cyclic() -> None:
    content = papers.picture_of("x", form="TIFF", pages=3)
    assert image.tiff_pages(content) == 3
    first = int.from_bytes(content[4:8], "little")
    entries = int.from_bytes(content[first : first + 2], "little")
    link = first + 2 + 12 * entries
    cyclic = content[:link] + content[4:8] + content[link + 4 :]
    assert image.tiff_pages(cyclic) == 1
    assert image.tiff_pages(content[:9]) == 1


@needs_tesseract
@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", papers.picture_of("The ferry")[:300]])
def test_a_broken_image_is_broken(tmp_path: Path, content: bytes, reading: ParserOptions) -> None:
    with pytest.raises(ParseError) as refused:
        picture(tmp_path, "a.png", content, reading)
    assert refused.value.kind == "broken"


def test_what_only_claims_to_be_an_image_is_broken(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="no image"):
        picture(tmp_path, "a.png", b"\0\1\2", NOT_READ)


@pytest.mark.usefixtures("without_tesseract")
def test_without_a_program_nothing_is_read_unless_it_has_to_be() -> None:
    assert ocr.options("auto", ["eng"], 60.0) is None
    with pytest.raises(ConfigError, match="pictures") as refused:
        ocr.options("always", ["eng"], 60.0)
    assert "tesseract" in refused.value.hint


def test_ocr_can_be_switched_off() -> None:
    assert ocr.options("off", ["eng"], 60.0) is None


@needs_tesseract
@pytest.mark.parametrize("language", ["xxq", "--help", "../eng"])
def test_a_language_without_data_is_refused_before_anything_is_read(language: str) -> None:
    with pytest.raises(ConfigError, match="no data") as refused:
        ocr.options("auto", [language], 60.0)
    assert "eng" in refused.value.hint


@needs_tesseract
def test_a_page_that_takes_too_long_counts_as_not_read(tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nwhile :; do :; done\n")
    slow.chmod(0o755)
    parsed = pdf(tmp_path, papers.scan_of("x"), ParserOptions(ocr=OcrOptions(program=str(slow), page_seconds=0.01)))
    assert parsed.warnings == ("needs-ocr",)


@pytest.mark.parametrize(
    ("numbers", "ranges"),
    [([], ()), ([3], ("3",)), ([1, 2, 3, 7, 9, 10], ("1-3", "7", "9-10")), (range(1, 400, 2), None)],
)
def test_page_numbers_are_written_as_ranges(numbers: list[int], ranges: tuple[str, ...] | None) -> None:
    found = page_ranges(numbers)
    assert found == ranges if ranges is not None else len(found) <= 51


def test_words_broken_at_the_end_of_a_line_are_joined() -> None:
    assert ocr.tidied("The fer-\nry left  \n\nat seven\f") == "The ferry left\n\nat seven"
