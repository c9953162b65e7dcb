"""E-mail messages (eml): headers, the body as text, and the attachments as files of their own."""

from __future__ import annotations

import email
import email.policy
import io
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.message import EmailMessage, Message
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ingest.errors import ParseError
from ingest.parsers import html
from ingest.parsers.text import guess, known, normalised
from ingest.types import DEFAULT_OPTIONS, Enclosed, Parsed, ParserOptions
from retrievers.types import MetadataValue

MEDIA_TYPE = "message/rfc822"
_SHOWN = ("From", "To", "Cc", "Date", "Subject")
_HEADER_BYTES = 8_000
_DEPTH = 50
SIGNATURES = frozenset(
    {
        "application/pgp-encrypted",
        "application/pgp-keys",
        "application/pgp-signature",
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
    }
)


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed | Enclosed]:
    """The message as a document, then its attachments."""
    with path.open("rb") as file:
        message = email.message_from_binary_file(file, policy=email.policy.default)
    yield Parsed(**read(message))
    yield from attachments(message)


def message_of(content: bytes) -> EmailMessage:
    """The message that is written so."""
    return email.message_from_bytes(content, policy=email.policy.default)


def read(message: Message) -> dict[str, Any]:
    """What a document of it needs: the fields of `Parsed`."""
    assert isinstance(message, EmailMessage)
    return document(
        {name: _header(message, name) for name in _SHOWN},
        date=_date(message),
        body=_body(message),
        attached=tuple(_name(part) for part in _attached(message)),
    )


def document(
    headers: Mapping[str, str], *, date: str, body: str, attached: tuple[str, ...], media_type: str = MEDIA_TYPE
) -> dict[str, Any]:
    """The fields of `Parsed` for a message of any kind of file.

    Args:
        headers: `From`, `To`, `Cc`, `Date` and `Subject`, "" where it has none.
        date: as ISO 8601 in UTC.
        body: as text.
        attached: names of attachments.
        media_type: of the file.
    """
    shown = [f"{name}: {value}" for name in _SHOWN if (value := headers[name])]
    parts = ["\n".join(shown), body, f"Attachments: {', '.join(attached)}" if attached else ""]
    metadata: dict[str, MetadataValue] = {
        "from": headers["From"],
        "to": headers["To"],
        "cc": headers["Cc"],
        "date": date,
        "attachments": attached,
    }
    return {
        "text": "\n\n".join(filter(None, parts)),
        "media_type": media_type,
        "title": headers["Subject"],
        "metadata": metadata,
    }


def attachments(message: Message) -> Iterator[Enclosed]:
    """The attached files, and messages that it forwards whole; no pictures of its body, and no signatures."""
    for part in _attached(message):
        yield Enclosed(name=_name(part), open=partial(_content, part))


def _attached(message: Message, depth: int = 0) -> Iterator[Message]:
    parts = message.get_payload()
    if not isinstance(parts, list) or depth > _DEPTH:
        return
    for part in parts:
        if not isinstance(part, Message):
            continue
        if part.get_content_maintype() == "multipart":
            yield from _attached(part, depth + 1)
        elif _is_attached(part, message.get_content_type() == "multipart/related"):
            yield part


def _is_attached(part: Message, is_related: bool) -> bool:
    """A picture that is related to a body belongs into it, even where its program calls it an attachment."""
    kind = part.get_content_type()
    if kind == MEDIA_TYPE:
        return True
    if kind in SIGNATURES:
        return False
    disposition = part.get_content_disposition()
    if kind.startswith("image/") and is_related:
        return False
    if kind.startswith("image/") and disposition != "attachment":
        return bool(_filename(part)) and not part.get("Content-ID")
    return disposition == "attachment" or bool(_filename(part))


def _filename(part: Message) -> str:
    try:
        return part.get_filename() or ""
    except (ValueError, LookupError, TypeError, AttributeError):  # as headers, below
        return ""


def _name(part: Message) -> str:
    if name := _filename(part):
        return name
    if part.get_content_type() == MEDIA_TYPE:
        inside = _forwarded(part)
        subject = _header(inside, "Subject") if inside else ""
        return f"{subject[:100].replace('/', ' ') or 'message'}.eml"
    return "without a name"


def _forwarded(part: Message) -> Message | None:
    inside = part.get_payload()
    return inside[0] if isinstance(inside, list) and inside and isinstance(inside[0], Message) else None


def _content(part: Message) -> BinaryIO:
    try:
        if part.get_content_type() == MEDIA_TYPE:
            inside = _forwarded(part)
            content: object = inside.as_bytes() if inside else b""
        else:
            content = part.get_payload(decode=True)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ParseError(f"the attached part cannot be read: {error}") from error
    return io.BytesIO(content if isinstance(content, bytes) else b"")


def _header(message: Message, name: str) -> str:
    """A header as text; one that the standard library cannot read, as it stands."""
    try:
        value = str(message.get(name, ""))
    except (ValueError, LookupError, TypeError, AttributeError):  # malformed in a way that its parser does not expect
        value = next((str(raw) for key, raw in message.raw_items() if key.lower() == name.lower()), "")
    return " ".join(value.split())[:_HEADER_BYTES]


def _date(message: EmailMessage) -> str:
    """When it was sent, as ISO 8601 in UTC, "" if it does not say."""
    try:
        sent = parsedate_to_datetime(_header(message, "Date"))
        sent = sent if sent.tzinfo else sent.replace(tzinfo=UTC)
        return f"{sent.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, TypeError, OverflowError):
        return ""


def _body(message: EmailMessage) -> str:
    try:
        part = message.get_body(("plain", "html"))
        content = part.get_payload(decode=True) if part is not None else None
    except (ValueError, LookupError, AttributeError, TypeError):
        return ""
    if part is None or not isinstance(content, bytes):
        return ""
    charset = _charset(content, part.get_content_charset() or "")
    if part.get_content_subtype() == "html":
        return html.read(content, charset).text
    return normalised(content.decode(charset, "replace")).strip()


def _charset(content: bytes, said: str) -> str:
    """The character set that is said, unless that is a lie."""
    for charset in (known(said), "utf-8"):
        try:
            if charset:
                content.decode(charset)
                return charset
        except (UnicodeDecodeError, LookupError):
            continue
    return guess(content)
