"""Outlook messages (msg): headers, the body as text, and the attachments as files of their own.

The layout is that of [MS-OXMSG]: each property is a stream named by its number and type, or an entry of a table.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTPUTF8
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ingest.errors import ParseError
from ingest.parsers import html, lzfu, rtf
from ingest.parsers.email import SIGNATURES, document
from ingest.parsers.ole import opened_ole
from ingest.parsers.text import guess, known, normalised
from ingest.types import DEFAULT_OPTIONS, Enclosed, Parsed, ParserOptions

MEDIA_TYPE = "application/vnd.ms-outlook"
_PROPERTIES = "__properties_version1.0"
_RECIPIENT, _ATTACHMENT = "__recip_version1.0_", "__attach_version1.0_"
_EMBEDDED = "__substg1.0_3701000D"  # an attached message
_HEAD, _EMBEDDED_HEAD, _PART_HEAD = 32, 24, 8  # bytes before the entries of a table of properties
_SUBJECT, _SENDER, _SENDER_KIND, _SENDER_ADDRESS, _SENDER_SMTP = 0x0037, 0x0C1A, 0x0C1E, 0x0C1F, 0x5D01
_SHOWN_TO, _SHOWN_CC, _TO, _CC = 0x0E04, 0x0E03, 1, 2
_ROLE, _NAME, _ADDRESS, _SMTP = 0x0C15, 0x3001, 0x3003, 0x39FE
_PLAIN, _RTF, _HTML = 0x1000, 0x1009, 0x1013
_SENT, _DELIVERED = 0x0039, 0x0E06
_PAGE_OF_TEXTS, _PAGE_OF_BODY = 0x3FFD, 0x3FDE
_LONG_NAME, _SHORT_NAME, _TYPE = 0x3707, 0x3704, 0x370E
_DATA, _FLAGS, _HIDDEN, _DRAWN = 0x3701, 0x3714, 0x7FFE, 4
_WIDE, _NARROW, _BINARY = "001F", "001E", "0102"
_TEXT_BYTES = 64 << 20
_MOST_PARTS = 10_000
_MOST_RECIPIENTS = 300  # of more the names suffice: each costs a search of the whole folder
_DEPTH = 8  # of messages that are attached to messages
_UTF8 = 65001


class _Storage:
    """A message, a recipient or an attachment: the properties under one folder of the file."""

    def __init__(self, ole: Any, head: int = _HEAD, path: tuple[str, ...] = (), page: int = 0) -> None:
        self.ole, self.path = ole, path
        self._values = dict(_values(self._read(_PROPERTIES), head))
        self.page = self.integer(_PAGE_OF_TEXTS) or page or self.integer(_PAGE_OF_BODY)

    def integer(self, number: int) -> int:
        value: int = struct.unpack_from("<I", self._values.get(number, bytes(8)))[0]
        return value

    def date(self, number: int) -> str:
        """As ISO 8601 in UTC, "" where there is none."""
        ticks: int = struct.unpack("<Q", self._values.get(number, bytes(8)))[0]
        try:
            moment = datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10)
        except OverflowError:
            return ""
        return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if ticks else ""

    def text(self, number: int) -> str:
        if wide := self._read(_stream(number, _WIDE)):
            return wide[: len(wide) // 2 * 2].decode("utf-16-le", "replace").rstrip("\0")
        return _decoded(self._read(_stream(number, _NARROW)), self.page).rstrip("\0")

    def line(self, number: int) -> str:
        return " ".join(self.text(number).split())

    def binary(self, number: int) -> bytes:
        return self._read(_stream(number, _BINARY))

    def parts(self, prefix: str) -> list[_Storage]:
        """The recipients or attachments, in order."""
        return [
            _Storage(self.ole, _PART_HEAD, (*self.path, name), self.page) for name in self.names(prefix)[:_MOST_PARTS]
        ]

    def names(self, prefix: str) -> list[str]:
        """Of their folders."""
        depth = len(self.path)
        found = {
            entry[depth]
            for entry in self.ole.listdir(streams=True, storages=True)
            if tuple(entry[:depth]) == self.path and len(entry) > depth and entry[depth].startswith(prefix)
        }
        return sorted(found)

    def embedded(self) -> _Storage | None:
        """The message that this attachment is."""
        path = (*self.path, _EMBEDDED)
        return _Storage(self.ole, _EMBEDDED_HEAD, path, self.page) if self.ole.exists(list(path)) else None

    def _read(self, stream: str) -> bytes:
        path = [*self.path, stream]
        if not self.ole.exists(path) or self.ole.get_type(path) != 2:
            return b""
        content: bytes = self.ole.openstream(path).read()
        return content


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed | Enclosed]:
    """The message as a document, then its attachments.

    Raises:
        ParseError: its container is damaged.
    """
    with opened_ole(path) as ole:
        message = _Storage(ole)
        attached = _attached(message)
        names = tuple(_name(part) for part in attached)
        sent = message.date(_SENT) or message.date(_DELIVERED)
        headers = _headers(message) | {"Date": sent}
        yield Parsed(**document(headers, date=sent, body=_body(message), attached=names, media_type=MEDIA_TYPE))
        for name, part in zip(names, attached, strict=True):
            yield Enclosed(name=name, open=partial(_open, part))


def _headers(message: _Storage) -> dict[str, str]:
    address = message.line(_SENDER_SMTP)
    if not address and message.line(_SENDER_KIND).upper() == "SMTP":
        address = message.line(_SENDER_ADDRESS)
    to, cc = _recipients(message)
    return {
        "From": _mailbox(message.line(_SENDER), address),
        "To": to or message.line(_SHOWN_TO),
        "Cc": cc or message.line(_SHOWN_CC),
        "Subject": message.line(_SUBJECT),
    }


def _recipients(message: _Storage) -> tuple[str, str]:
    found: dict[int, list[str]] = {_TO: [], _CC: []}
    names = message.names(_RECIPIENT)
    for part in message.parts(_RECIPIENT) if len(names) <= _MOST_RECIPIENTS else ():
        address = part.line(_SMTP) or part.line(_ADDRESS)
        shown = _mailbox(part.line(_NAME), address if "@" in address else "")
        found.setdefault(part.integer(_ROLE), []).append(shown)
    return ", ".join(filter(None, found[_TO])), ", ".join(filter(None, found[_CC]))


def _mailbox(name: str, address: str) -> str:
    name = name.strip("'\"")
    if not address or not name or name == address:
        return address or name
    return f"{name} <{address}>"


def _body(message: _Storage) -> str:
    """The plain one, else what html or rich text say."""
    if plain := message.text(_PLAIN).strip():
        return normalised(plain[:_TEXT_BYTES])
    page = message.integer(_PAGE_OF_BODY)
    if content := message.binary(_HTML).rstrip(b"\0"):
        return html.read(content, _encoding(page)).text
    if written := message.text(_HTML):
        return html.read(written.encode("utf-8", "replace"), "utf-8").text
    if packed := message.binary(_RTF):
        try:
            return rtf.plain(lzfu.unpacked(packed, _TEXT_BYTES))
        except ParseError:  # one of several bodies, and the last: the headers and attachments are read all the same
            return ""
    return ""


def _attached(message: _Storage) -> list[_Storage]:
    """Without signatures, and pictures of the body."""
    return [part for part in message.parts(_ATTACHMENT) if not _is_of_body(part)]


def _is_of_body(part: _Storage) -> bool:
    kind = part.line(_TYPE).lower()
    is_drawn = bool(part.integer(_FLAGS) & _DRAWN or part.integer(_HIDDEN))
    return kind in SIGNATURES or (is_drawn and kind.startswith("image/"))


def _name(part: _Storage) -> str:
    inside = part.embedded()
    if inside is not None:
        return f"{inside.line(_SUBJECT)[:100].replace('/', ' ') or 'message'}.eml"
    return part.line(_LONG_NAME) or part.line(_SHORT_NAME) or part.line(_NAME) or "without a name"


def _open(part: _Storage) -> BinaryIO:
    """What is attached; a message as an eml, for it is no file of its own."""
    try:
        inside = part.embedded()
        return io.BytesIO(_as_mail(inside).as_bytes() if inside else part.binary(_DATA))
    except (OSError, ValueError, IndexError, LookupError, struct.error) as error:
        raise ParseError(f"the attachment cannot be read: {error}") from error


def _as_mail(message: _Storage, depth: int = 1) -> EmailMessage:
    mail = EmailMessage(policy=SMTPUTF8)
    date = message.date(_SENT) or message.date(_DELIVERED)
    sent = f"{datetime.fromisoformat(date):%a, %d %b %Y %H:%M:%S +0000}" if date else ""
    for name, value in (_headers(message) | {"Date": sent}).items():
        if value:
            mail[name] = "".join(character for character in value if character.isprintable())
    mail.set_content(_body(message))
    for part in _attached(message) if depth < _DEPTH else ():
        inside = part.embedded()
        if inside is not None:
            mail.add_attachment(_as_mail(inside, depth + 1))
        else:
            mail.add_attachment(
                part.binary(_DATA), maintype="application", subtype="octet-stream", filename=_name(part)
            )
    return mail


def _stream(number: int, kind: str) -> str:
    return f"__substg1.0_{number:04X}{kind}"


def _values(table: bytes, begin: int) -> Iterator[tuple[int, bytes]]:
    """Number and eight bytes of each entry."""
    for at in range(begin, len(table) - 15, 16):
        yield struct.unpack_from("<H", table, at + 2)[0], table[at + 8 : at + 16]


def _encoding(page: int) -> str | None:
    return "utf-8" if page == _UTF8 else known(f"cp{page}") if page else None


def _decoded(content: bytes, page: int) -> str:
    """In the code page that is said, unless that is a lie."""
    for encoding in (_encoding(page), "utf-8"):
        try:
            if encoding:
                return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode(guess(content), "replace")
