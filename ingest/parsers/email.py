"""E-mail messages (eml): headers, the body as text, attachments by name."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from datetime import UTC
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

from ingest.parsers import html
from ingest.parsers.text import known, normalised
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions
from retrievers.types import MetadataValue

_SHOWN = ("From", "To", "Cc", "Date", "Subject")
_HEADER_BYTES = 8_000


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document."""
    with path.open("rb") as file:
        message = email.message_from_binary_file(file, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    subject = _header(message, "Subject")
    attachments = tuple(_attachments(message))
    shown = [f"{name}: {value}" for name in _SHOWN if (value := _header(message, name))]
    parts = ["\n".join(shown), _body(message), _listed(attachments)]
    metadata: dict[str, MetadataValue] = {
        "from": _header(message, "From"),
        "to": _header(message, "To"),
        "cc": _header(message, "Cc"),
        "date": _date(message),
        "attachments": attachments,
    }
    yield Parsed(
        text="\n\n".join(filter(None, parts)),
        media_type="message/rfc822",
        title=subject,
        metadata=metadata,
    )


def _header(message: EmailMessage, name: str) -> str:
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
    except (ValueError, LookupError, AttributeError):
        part = None
    if part is None:
        return ""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    charset = part.get_content_charset() or ""
    if part.get_content_subtype() == "html":
        return html.read(content, known(charset)).text
    return normalised(content.decode(known(charset) or "utf-8", "replace")).strip()


def _attachments(message: EmailMessage) -> Iterator[str]:
    for part in message.walk():
        if part.get_content_disposition() == "attachment" or (part.get_filename() and not part.is_multipart()):
            yield part.get_filename() or "without a name"


def _listed(attachments: tuple[str, ...]) -> str:
    return f"Attachments: {', '.join(attachments)}" if attachments else ""
