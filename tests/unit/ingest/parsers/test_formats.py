"""The right parser is found by content first, then by name; what none reads is named."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.errors import DocumentFailed, ParseError, UnsupportedFormat
from ingest.parsers import FORMATS, VERSION, format_of, load, parser_for, plugins, version, versions
from ingest.types import DEFAULT_OPTIONS, Parsed


def a_file(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def a_zip(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


def parsed_from(path: Path) -> list[Parsed]:
    return [found for found in parser_for(path)(path, DEFAULT_OPTIONS) if isinstance(found, Parsed)]


def name_of(path: Path) -> str:
    return format_of(path, path.read_bytes()[:1024]).name


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.pdf", b"%PDF-1.7", "pdf"),
        ("a.PDF", b"garbage", "pdf"),
        ("a.bin", b"junk before it\n%PDF-1.4", "pdf"),
        ("a.txt", b"%PDF-1.4", "pdf"),
        ("a.txt", b"The header %PDF-1.4 begins a PDF.", "text"),
        ("a.doc", a_zip("word/document.xml"), "docx"),
        ("a.htm", b"<html>", "html"),
        ("a.md", b"# x", "markdown"),
        ("a.csv", b"a,b", "csv"),
        ("a.tsv", b"a\tb", "tsv"),
        ("a.json", b"{}", "json"),
        ("a.ndjson", b"{}", "jsonl"),
        ("a.eml", b"From: x", "eml"),
        ("README", b"Read me.", "text"),
        ("README", "Ünïcödé".encode()[:-1], "text"),
        ("a.txt", b"{\\rtf1", "rtf"),
        ("README", "Grüße aus Köln".encode("cp1252"), "text"),
        ("README", "Read me.".encode("utf-16"), "text"),
        ("a.xyz", b"notes", "text"),
        ("page", b"<!-- saved --><!DOCTYPE html><p>x", "html"),
        ("page.txt", b"\xef\xbb\xbf<html lang=en>", "html"),
        ("page.txt", "<html>".encode("utf-16"), "html"),
        ("page.pdf", b"<html><body>404 Not Found", "html"),
        ("page.md", b"<html>", "markdown"),
        ("mail.txt", b"From: a\nX-Long: a\n b\nMessage-ID: <1>\n\nhello", "eml"),
        ("note.txt", b"From: a\nTo: b\n\nA letter, typed.", "text"),
        ("records", b'{"a": 1}\n{"a": 2}\n', "jsonl"),
        ("value", b'{"a":\n 1}', "json"),
        ("braces", b"{see above}", "text"),
        ("report.doc", a_zip("[Content_Types].xml", "word/document.xml"), "docx"),
        ("report.zip", a_zip("[Content_Types].xml", "word/document.xml"), "docx"),
    ],
)
def test_a_format_is_found(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    assert name_of(a_file(tmp_path, name, content)) == expected


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.xyz", b"\0\1\2", r"\.xyz files"),
        ("a", b"\x7fELF\2\1\1" + bytes(60), "ELF executable"),
        ("a", b"\0\1\2", "binary files"),
        ("a.docx", a_zip("Index/Document.iwa"), "Apple iWork files"),
        ("a", b"PK\x03\x04 and nothing", "damaged zip files"),
    ],
)
def test_a_format_that_is_not_read_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    with pytest.raises(UnsupportedFormat, match=said) as refused:
        name_of(a_file(tmp_path, name, content))
    assert refused.value.kind == "unsupported"
    assert refused.value.hint


def test_an_encrypted_office_file_is_encrypted_and_not_unsupported(tmp_path: Path) -> None:
    content = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(ParseError) as refused:
        name_of(a_file(tmp_path, "a.docx", content))
    assert refused.value.kind == "encrypted"


def test_a_damaged_office_97_file_is_broken(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="OLE container is damaged") as refused:
        name_of(a_file(tmp_path, "a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"))
    assert refused.value.kind == "broken"


def test_a_truncated_docx_is_broken(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="zip container is damaged"):
        name_of(a_file(tmp_path, "a.docx", a_zip("word/document.xml")[:40]))


@pytest.mark.parametrize("extension", sorted({e for format_ in FORMATS for e in format_.extensions}))
def test_a_file_of_no_bytes_is_an_empty_document_in_every_format(tmp_path: Path, extension: str) -> None:
    path = a_file(tmp_path, f"a.{extension}", b"")
    (parsed,) = parsed_from(path)
    assert parsed.text == ""
    assert parsed.media_type


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)
def test_random_bytes_fail_as_a_document_does(tmp_path: Path, format_: object) -> None:
    junk = bytes(number * 197 % 251 for number in range(4_000))
    for entry in FORMATS:
        if entry is format_:
            path = a_file(tmp_path, f"a.{entry.extensions[0]}", junk)
            if entry.name == "eml":  # anything is a message; this one has no text that counts
                continue
            with pytest.raises((DocumentFailed, OSError)):
                list(load(entry)(path, DEFAULT_OPTIONS))


@pytest.fixture
def a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package that reads files called `.tide`."""
    package = tmp_path / "site"
    info = package / "tides-1.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tides\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text("[rlm_search.parsers]\ntide = tides:parse\n")
    (package / "tides.py").write_text(
        "from ingest.types import Parsed\n\n\ndef parse(path, options):\n"
        "    yield Parsed(text=path.read_text().upper(), media_type='text/x-tide')\n"
    )
    monkeypatch.syspath_prepend(package)
    plugins.cache_clear()
    yield
    plugins.cache_clear()


@pytest.mark.usefixtures("a_plugin")
def test_an_installed_package_adds_a_format(tmp_path: Path) -> None:
    path = a_file(tmp_path, "a.TIDE", b"high at noon")
    (parsed,) = parsed_from(path)
    assert parsed.text == "HIGH AT NOON"
    assert (version(), versions()["tide"]) == (f"{VERSION}+tide", "1.5")


def test_without_it_the_file_is_what_its_content_says(tmp_path: Path) -> None:
    (parsed,) = parsed_from(a_file(tmp_path, "a.tide", b"high at noon"))
    assert parsed.text == "high at noon"  # as any text
    assert version() == VERSION


@pytest.mark.parametrize("text", ['{ "a": is what the record looked like, he said.', '[{"x": ... and so on'])
def test_a_text_that_begins_like_json_and_is_none_is_read_as_text(tmp_path: Path, text: str) -> None:
    (parsed,) = parsed_from(a_file(tmp_path, "notes.txt", text.encode()))
    assert (parsed.text, parsed.media_type) == (text, "text/plain")
    (record,) = parsed_from(a_file(tmp_path, "record.txt", b'{"_id": "a", "text": "One."}'))
    assert record.media_type == "application/json"
    with pytest.raises(ParseError):
        parsed_from(a_file(tmp_path, "notes.json", text.encode()))
