"""Messages give their headers, body and attachments, however malformed they are."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest

from ingest.parsers.email import parse
from ingest.types import Parsed


def parsed_of(folder: Path, content: bytes) -> Parsed:
    path = folder / "a.eml"
    path.write_bytes(content)
    parsed = next(iter(parse(path)))
    assert isinstance(parsed, Parsed)
    return parsed


def a_message() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Ada Hale <ada@example.org>"
    message["To"] = "crew@example.org"
    message["Date"] = "Wed, 01 May 2024 10:30:00 +0200"
    message["Subject"] = "Größere Fähre"
    message.set_content("The ferry is late.\nSorry!\n")
    return message


def test_headers_and_body_are_the_text(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, a_message().as_bytes())
    assert parsed.title == "Größere Fähre"
    assert parsed.text == (
        "From: Ada Hale <ada@example.org>\nTo: crew@example.org\nDate: Wed, 01 May 2024 10:30:00 +0200\n"
        "Subject: Größere Fähre\n\nThe ferry is late.\nSorry!"
    )


def test_headers_are_metadata_with_the_date_in_iso(tmp_path: Path) -> None:
    metadata = parsed_of(tmp_path, a_message().as_bytes()).metadata
    assert metadata["from"] == "Ada Hale <ada@example.org>"
    assert metadata["date"] == "2024-05-01T08:30:00Z"


def test_attachments_are_listed_by_name(tmp_path: Path) -> None:
    message = a_message()
    message.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="fares.pdf")
    parsed = parsed_of(tmp_path, message.as_bytes())
    assert parsed.text.endswith("\n\nAttachments: fares.pdf")
    assert parsed.metadata["attachments"] == ("fares.pdf",)


def test_plain_text_is_preferred_and_html_is_read_where_there_is_none(tmp_path: Path) -> None:
    message = a_message()
    message.add_alternative("<p>The <b>page</b>.</p>", subtype="html")
    assert "page" not in parsed_of(tmp_path, message.as_bytes()).text
    message = EmailMessage()
    message.set_content("<h1>Only</h1><p>a page</p><script>x</script>", subtype="html")
    assert parsed_of(tmp_path, message.as_bytes()).text == "Only\n\na page"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no message at all",
        b"Subject: =?utf-8?B?!!!?=\nFrom: <<>>,,;\nTo: (((\nDate: never\n\nbody",
        b"Content-Type: text/plain; charset=nonsense\n\nbody \xff",
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nbody\n",
        b"Content-Transfer-Encoding: base64\n\n!!!!not base64!!!!",
        b"From: a\x00b\r\nSubject: \xff\xfe\r\n\r\nbody",
        b"Date: Wed, 99 May 99999 10:30:00 +0200\n\nbody",
    ],
)
def test_malformed_messages_are_read_as_far_as_they_go(tmp_path: Path, content: bytes) -> None:
    parsed = parsed_of(tmp_path, content)
    assert parsed.media_type == "message/rfc822"
    assert parsed.metadata["date"] == ""
