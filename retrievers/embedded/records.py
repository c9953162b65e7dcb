"""What is stored beside the indexed terms, as msgpack: of each unit, of each document, and of the index as a whole."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from retrievers.fields import Form

FORMAT: Final = 2
"""Version of the files of an index; another one is refused."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`index.json`: written once, when the index is made."""

    format: int
    embedder: str
    dimensions: int


class UnitRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All that a hit tells, so that one row is enough to make it.

    `page` is 0 without pages; `original` the id of the document that this one is a near-duplicate of.
    """

    doc_id: str
    chunk_id: str
    start: int
    end: int
    page: int
    title: str
    source: str
    metadata: dict[str, Any]
    original: str = ""

    @property
    def told(self) -> dict[str, Any]:
        """The metadata, with the mark of a near-duplicate."""
        return {**self.metadata, "duplicate_of": self.original} if self.original else self.metadata


class HeadingRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A heading: title, level, start."""

    title: str
    level: int
    start: int


class ChunkRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A chunk without its text. `unit` is the number of the unit that it is a passage of."""

    id: str
    ordinal: int
    start: int
    end: int
    unit: int
    context: str
    metadata: dict[str, Any]


class HeadRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A document without its text. `starts` are the start offsets of its units."""

    content_hash: str
    media_type: str
    language: str
    length: int
    sources: list[str]
    pages: list[int]
    labels: list[str]
    headings: list[HeadingRecord]
    starts: list[int]
    chunks: list[ChunkRecord]
    furniture: list[tuple[int, int]] = []


class FieldRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A field of the catalogue.

    Attributes:
        code: names it in tags.
        forms: those that values of it ever had.
        number: its column of numbers, -1 without.
        date: its column of dates, -1 without.
    """

    code: int
    forms: tuple[Form, ...] = ()
    number: int = -1
    date: int = -1


class LedgerState(msgspec.Struct, frozen=True, kw_only=True):
    """What of the ledger is true.

    Attributes:
        generation: names its file.
        bytes: committed bytes of it.
        ends: number of the last entry of each author.
    """

    generation: int = 0
    bytes: int = 0
    ends: dict[str, int] = {}


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit makes true, beside the rows themselves.

    Attributes:
        next_doc_no: numbers from here on are free; each version of a document has its own.
        generation: names the vector files.
        vectors: committed rows of the vector files; what lies behind them is not there.
        dead: committed entries of the list of documents whose rows are dead.
        fields: the catalogue.
        ledger: how much of the ledger is there.
    """

    next_doc_no: int = 0
    generation: int = 0
    vectors: int = 0
    dead: int = 0
    fields: dict[str, FieldRecord] = {}
    ledger: LedgerState = LedgerState()


encode_record: Final = msgspec.msgpack.Encoder(enc_hook=list).encode
decode_unit: Final = msgspec.msgpack.Decoder(UnitRecord).decode
decode_head: Final = msgspec.msgpack.Decoder(HeadRecord).decode
decode_state: Final = msgspec.msgpack.Decoder(State).decode
