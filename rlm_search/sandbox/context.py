"""The text that a run works on, as host and model both hold it: documents, their joined text, and ways to look at it.

Pure standard library, since the worker loads it too.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["string", "document_list", "files"]
Piece: TypeAlias = tuple[int, int, str]
"""Start, end, and the text between them."""

SEPARATOR = "\n\n---\n\n"
_PAGE_MARKER = r"<!-- Page (\d+) -->"
_SHOWN = 2_000


class Context:
    """Text to work on, never changed.

    Args:
        documents: the texts; they may be read when they are asked for.
        names: what each is called, for files.
        separator: between documents in the joined text.
        kind: how it was given.
    """

    def __init__(
        self,
        documents: Sequence[str],
        *,
        names: Sequence[str] = (),
        separator: str = SEPARATOR,
        kind: Kind = "document_list",
    ) -> None:
        self.documents = documents
        self.names = tuple(names)
        self.separator = separator
        self.context_type = kind

    @cached_property
    def text(self) -> str:
        """All documents joined."""
        return self.documents[0] if len(self.documents) == 1 else self.separator.join(self.documents)

    @cached_property
    def files(self) -> Mapping[str, str]:
        """Texts by name; empty where the documents have none."""
        return dict(zip(self.names, self.documents, strict=False))

    def len_chars(self) -> int:
        """Characters of the text."""
        return len(self.text)

    def num_documents(self) -> int:
        """How many documents there are."""
        return len(self.documents)

    def get_document(self, index: int) -> str | None:
        """One document, counted from 0; None where there is none."""
        return self.documents[index] if 0 <= index < len(self.documents) else None

    def document_lengths(self) -> list[int]:
        """Characters of each document."""
        return [len(document) for document in self.documents]

    def slice(self, start: int, end: int) -> str:
        """The text between two offsets, as far as there is any."""
        return self.text[max(start, 0) : max(end, 0)]

    def peek(self, n: int = _SHOWN) -> str:
        """The first characters."""
        return self.text[: max(n, 0)]

    def tail(self, n: int = _SHOWN) -> str:
        """The last characters."""
        return self.text[max(len(self.text) - max(n, 0), 0) :]

    def find(
        self,
        pattern: str,
        *,
        regex: bool = False,
        max_matches: int = 20,
        case_sensitive: bool = True,
        flags: int | None = None,
    ) -> list[Piece]:
        """Where a text or, with `regex` or `flags`, a regular expression occurs: start, end and what matched."""
        if not pattern or max_matches < 1:
            return []
        expression = pattern if regex or flags is not None else re.escape(pattern)
        chosen = flags if flags is not None else 0 if case_sensitive else re.IGNORECASE
        found: list[Piece] = []
        for match in re.finditer(expression, self.text, chosen):
            found.append((match.start(), match.end(), match[0]))
            if len(found) == max_matches:
                break
        return found

    def chunk(self, size: int, overlap: int = 0) -> list[Piece]:
        """The text in pieces of `size` characters, each beginning `overlap` before the end of the one before."""
        if size < 1 or not 0 <= overlap < size:
            raise ValueError(f"size must be at least 1 and overlap from 0 to below it, not {size} and {overlap}")
        return list(self._chunks(size, overlap))

    def _chunks(self, size: int, overlap: int) -> Iterator[Piece]:
        start, length = 0, len(self.text)
        while start < length:
            end = min(start + size, length)
            yield start, end, self.text[start:end]
            if end == length:
                return
            start = end - overlap

    def chunk_documents(self, docs_per_chunk: int = 10) -> list[tuple[int, int, list[str]]]:
        """The documents in groups: number of the first, number behind the last, and their texts."""
        if docs_per_chunk < 1:
            raise ValueError(f"docs_per_chunk must be at least 1, not {docs_per_chunk}")
        starts = range(0, len(self.documents), docs_per_chunk)
        groups = [(start, list(self.documents[start : start + docs_per_chunk])) for start in starts]
        return [(start, start + len(group), group) for start, group in groups]

    def page(self, page_number: int, *, marker_pattern: str = _PAGE_MARKER) -> str | None:
        """What stands between the marker of a page, `<!-- Page 3 -->`, and the next; None where there is none."""
        start: int | None = None
        for match in re.finditer(marker_pattern, self.text):
            if start is not None:
                return self.text[start : match.start()]
            if int(match[1]) == page_number:
                start = match.end()
        return None if start is None else self.text[start:]

    def extract_after(self, marker: str, *, max_len: int = 128) -> str | None:
        """The first word behind a marker; None where there is none within `max_len` characters."""
        at = self.text.find(marker)
        words = self.text[at + len(marker) : at + len(marker) + max_len].split() if at >= 0 else []
        return words[0].strip(" \t\r\n.,;:\"'()[]{}") or None if words else None

    def metadata(self) -> dict[str, Any]:
        """What there is: kind, characters, number of documents, their lengths and names."""
        about: dict[str, Any] = {
            "context_type": self.context_type,
            "total_length": self.len_chars(),
            "num_documents": self.num_documents(),
        }
        if len(self.documents) > 1:
            about["document_lengths"] = self.document_lengths()
        if self.names:
            about["names"] = list(self.names)
        return about

    def sendable(self) -> dict[str, Any]:
        """What is sent when this is an argument of a host function, which has the text already."""
        return {"context": True}

    def __len__(self) -> int:
        return len(self.text)

    def __getitem__(self, key: int | builtins.slice) -> str:
        return self.text[key]

    def __repr__(self) -> str:
        return f"Context({self.num_documents():,} documents, {self.len_chars():,} characters)"
