"""Outlook messages are read as eml files are, with their attachments as files inside."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from ingest.errors import ParseError
from ingest.parsers import lzfu, parser_for
from ingest.types import DEFAULT_OPTIONS, Enclosed, Parsed
from tests.unit.ingest.parsers.ole_files import Tree, a_message, an_ole

SENT = 133_537_689_380_000_000  # 2024-03-01T12:15:38Z, in tenths of microseconds since 1601
ATTACHED = b"attached words " * 300  # more than what a stream of a test is padded to
RTF = rb"{\rtf1\ansi Rich \b words\b0 .}"


def read(folder: Path, tree: Tree) -> tuple[Parsed, list[Enclosed]]:
    path = folder / "unnamed"
    path.write_bytes(an_ole(tree))
    parsed, *enclosed = list(parser_for(path)(path, DEFAULT_OPTIONS))
    assert isinstance(parsed, Parsed)
    return parsed, [found for found in enclosed if isinstance(found, Enclosed)]


def content_of(folder: Path, tree: Tree, name: str) -> bytes:
    """Of an attachment, read while its message is open."""
    path = folder / "unnamed"
    path.write_bytes(an_ole(tree))
    for found in parser_for(path)(path, DEFAULT_OPTIONS):
        if isinstance(found, Enclosed) and found.name == name:
            with found.open() as content:
                return content.read()
    raise AssertionError(name)


def a_recipient(role: int, name: str, address: str) -> Tree:
    return a_message({0x3001: name, 0x39FE: address}, numbers={0x0C15: role}, head=8)


def an_attachment(name: str, content: bytes, kind: str = "text/plain", flags: int = 0) -> Tree:
    return a_message({0x3707: name, 0x370E: kind}, numbers={0x3714: flags}, binaries={0x3701: content}, head=8)


def test_headers_body_and_date_are_those_of_an_eml(tmp_path: Path) -> None:
    texts = {
        0x0037: "Tide  tables",
        0x0C1A: "Ann",
        0x0C1E: "SMTP",
        0x0C1F: "ann@port.example",
        0x1000: "High at nøon.\r\n",
    }
    recipients = {
        "__recip_version1.0_#00000000": a_recipient(1, "Bo", "bo@port.example"),
        "__recip_version1.0_#00000001": a_recipient(2, "'cy@port.example'", "cy@port.example"),
        "__recip_version1.0_#00000002": a_recipient(3, "Secret", "hidden@port.example"),
    }
    parsed, _ = read(tmp_path, a_message(texts, numbers={0x0039: SENT}, inside=recipients))

    assert parsed.title == "Tide tables"
    assert parsed.media_type == "application/vnd.ms-outlook"
    assert parsed.text.endswith("Subject: Tide tables\n\nHigh at nøon.")
    assert parsed.metadata == {
        "from": "Ann <ann@port.example>",
        "to": "Bo <bo@port.example>",
        "cc": "cy@port.example",
        "date": "2024-03-01T12:15:38Z",
        "attachments": (),
    }
    assert "hidden@" not in parsed.text


def test_of_very_many_recipients_the_names_are_told(tmp_path: Path) -> None:
    recipients = {f"__recip_version1.0_#{number:08X}": a_message({}, head=8) for number in range(301)}
    parsed, _ = read(tmp_path, a_message({0x0037: "S", 0x0E04: "Ann; Bo; and others"}, inside=recipients))
    assert parsed.metadata["to"] == "Ann; Bo; and others"


@pytest.mark.parametrize(
    ("binaries", "expected"),
    [
        ({0x1013: "<p>From <b>html</b> é</p>".encode()}, "From html é"),
        ({0x1009: struct.pack("<II4sI", len(RTF) + 12, len(RTF), b"MELA", 0) + RTF}, "Rich words."),
        ({0x1009: b"nothing of the kind"}, ""),
    ],
)
def test_without_a_plain_body_html_is_read_then_rich_text(
    tmp_path: Path, binaries: dict[int, bytes], expected: str
) -> None:
    parsed, _ = read(tmp_path, a_message({0x0037: "S"}, numbers={0x3FDE: 65001}, binaries=binaries))
    assert parsed.text.removeprefix("Subject: S").strip() == expected


def test_packed_rich_text_is_unpacked(tmp_path: Path) -> None:
    packed = bytes.fromhex(  # the example of its specification
        "2d0000002b0000004c5a4675f1c5c7a703000a00726370673132354232 0af32068656c09002062770 5b06c647d0a800fa0".replace(
            " ", ""
        )
    )
    assert lzfu.unpacked(packed, 1 << 20) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


def test_attachments_are_files_inside_and_pictures_of_the_body_are_none(tmp_path: Path) -> None:
    parts = {
        "__attach_version1.0_#00000000": an_attachment("note.txt", ATTACHED),
        "__attach_version1.0_#00000001": an_attachment("logo.png", b"\x89PNG", "image/png", flags=4),
    }
    tree = a_message({0x0037: "S"}, inside=parts)
    parsed, enclosed = read(tmp_path, tree)

    assert [found.name for found in enclosed] == ["note.txt"]
    assert parsed.metadata["attachments"] == ("note.txt",)
    assert content_of(tmp_path, tree, "note.txt") == ATTACHED


def test_an_attached_message_is_a_mail_with_its_own_attachments(tmp_path: Path) -> None:
    inner = a_message(
        {0x0037: "Inner/most", 0x1000: "The tide turns.", 0x0C1A: "Evil\r\nBcc: x"},
        inside={"__attach_version1.0_#00000000": an_attachment("deep.txt", ATTACHED)},
        head=24,
        numbers={0x0039: SENT},
    )
    part = a_message({}, head=8, inside={"__substg1.0_3701000D": inner})
    tree = a_message({0x0037: "Outer"}, inside={"__attach_version1.0_#00000000": part})

    mail = tmp_path / "inner.eml"
    mail.write_bytes(content_of(tmp_path, tree, "Inner most.eml"))
    parsed, attached = list(parser_for(mail)(mail, DEFAULT_OPTIONS))
    assert isinstance(parsed, Parsed)
    assert isinstance(attached, Enclosed)
    assert (parsed.title, parsed.metadata["date"]) == ("Inner/most", "2024-03-01T12:15:38Z")
    assert "The tide turns." in parsed.text
    assert (attached.name, attached.open().read()) == ("deep.txt", ATTACHED)


@pytest.mark.parametrize("cut", [700, 1_800, 6_000])
def test_one_that_ends_early_fails_as_broken_or_is_read_as_far_as_it_goes(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "m.msg"
    path.write_bytes(an_ole(a_message({0x0037: "S", 0x1000: "Body"}))[:cut])
    try:
        outcome = next(iter(parser_for(path)(path, DEFAULT_OPTIONS)))
        said = "read" if isinstance(outcome, Parsed) else ""
    except ParseError as refused:
        said = refused.kind
    assert said in ("broken", "read")
