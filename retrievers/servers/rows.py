"""A document as the rows of an index on a server, and rows as the values that callers get."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from retrievers.embedded.analysis import analyser_of
from retrievers.embedded.catalogue import KEYWORDS_ONLY, keyword_term
from retrievers.embedded.records import HeadRecord, decode_head, encode_record
from retrievers.embedded.rows import chunk_records, head_record, heading_paths, name_words, plain
from retrievers.embedded.units import Unit, units_of
from retrievers.fields import Form, comparables, fields_of, forms_of, items_of, keyword
from retrievers.furniture import blotted, within
from retrievers.servers.dialect import Json
from retrievers.types import Chunk, Document, Matrix, MetadataValue

LONGEST_ID: Final = 400
"""Bytes of a document's id that are part of its rows' ids; a longer one is told by its hash."""

WIDE: Final = "\x1e"
"""Between the name and the value of a field without a field of its own."""

PIECE: Final = 1_000_000
"""Bytes of a record row; what belongs to a document as a whole may be larger."""

DECIMALS: Final = 8
"""Of the numbers of a vector on its way: half of what a float32 would be written with, and as exact."""

Row = tuple[str, Json]
"""The id of a row, and its source."""

_encode: Final = msgspec.json.Encoder().encode


def routing_of(doc_id: str) -> str:
    """The routing value of a document: never with a comma, which servers take for two."""
    return hashlib.blake2b(doc_id.encode(), digest_size=8).hexdigest()


def head_id(doc_id: str) -> str:
    """The id of the head row of a document, the same in every edition: what it says is the edition that counts."""
    return f"{_name(doc_id)}#head"


def row_id(doc_id: str, edition: str, kind: str, number: int) -> str:
    """The id of another row: of unit 3 `ID#EDITION.u3`, of the vector of chunk 5 `….v5`, of a piece of the record."""
    return f"{_name(doc_id)}#{edition}.{kind}{number}"


def unit_id(doc_id: str, edition: str, number: int) -> str:
    """The id of a unit; the first one is the head."""
    return row_id(doc_id, edition, "u", number) if number else head_id(doc_id)


def _name(doc_id: str) -> str:
    return doc_id if len(doc_id.encode()) <= LONGEST_ID else hashlib.blake2b(doc_id.encode()).hexdigest()


def text_rows(
    document: Document, chunks: Sequence[Chunk], wide: Container[str] = (), *, original: str = ""
) -> Iterator[Row]:
    """The pieces of a document's record and its units, the head last: with it, a new edition takes the old one's place.

    Args:
        document: as parsed.
        chunks: of it.
        wide: as for `values_of`.
        original: id of the document that this one is a near-duplicate of.
    """
    units = units_of(document, chunks)
    analyser = analyser_of(document.language, document.text).name
    mark = {"duplicate_of": original} if original else {}
    fields = {**fields_of(document), **mark}
    shared = {
        "doc_id": document.id,
        "language": document.language[:2].lower(),
        "analyser": analyser,
        "hash": document.content_hash,
        f"title_{analyser}": document.title,
        f"name_{analyser}": name_words(document),
        **values_of(fields, wide),
    }
    about = {"title": document.title, "source": document.source, "metadata": plain(dict(document.metadata)), **mark}
    pieces = _pieces(_record_over(document, chunks, units))
    shared["edition"] = edition = _edition(document.text, shared, about, pieces)
    for ordinal, piece in enumerate(pieces):
        source = {"kind": "record", "doc_id": document.id, "edition": edition, "unit": ordinal}
        yield row_id(document.id, edition, "r", ordinal), {**source, "record": piece}
    indexed = blotted(document.text, document.furniture)
    head: Json = {}
    for ordinal, (unit, path) in enumerate(zip(units, heading_paths(document.headings, units), strict=True)):
        row = {**shared, "kind": "unit", "unit": ordinal, "start": unit.start, "end": unit.end}
        row[f"text_{analyser}"] = indexed[unit.start : unit.end]
        if within(document.furniture, unit.start, unit.end):
            row["whole"] = document.text[unit.start : unit.end]
        row["hit"] = {**about, "chunk_id": unit.chunk_id, "page": unit.page}
        if path:
            row[f"headings_{analyser}"] = path
        if ordinal:
            yield row_id(document.id, edition, "u", ordinal), row
        else:
            head = {**row, **_head(document, units, chunks, len(pieces)), "forms": list(_forms(fields, wide))}
    yield head_id(document.id), head


def _edition(text: str, *told: Json | Sequence[str]) -> str:
    """What tells one edition of a document from another: any difference in its rows is another edition."""
    digest = hashlib.blake2b(_encode(told), digest_size=8)
    digest.update(text.encode())
    return digest.hexdigest()


def whole_record(document: Document, chunks: Sequence[Chunk]) -> HeadRecord:
    """What is kept of a document beside its text, as its record rows tell it."""
    return _record_over(document, chunks, units_of(document, chunks))


def _record_over(document: Document, chunks: Sequence[Chunk], units: Sequence[Unit]) -> HeadRecord:
    starts = [unit.start for unit in units]
    return head_record(document, starts, chunk_records(chunks, starts))


def _forms(fields: Mapping[str, MetadataValue], wide: Container[str]) -> Iterator[str]:
    for name, value in fields.items():
        if name in wide:
            yield form_name(name, "keyword", is_wide=True)
        else:
            yield from (form_name(name, form) for form in own_forms(name, value))


def _head(document: Document, units: Sequence[Unit], chunks: Sequence[Chunk], records: int) -> Json:
    summary = {
        "pages": len(document.pages),
        "characters": len(document.text),
        "units": len(units),
        "records": records,
        "media_type": document.media_type,
    }
    return {"head": True, "chunks": len(chunks), "has_vectors": not chunks, "summary": summary}


def vector_rows(head: Json, record: HeadRecord, vectors: Matrix) -> Iterator[Row]:
    """The vectors of a document's chunks, with what its filters look at."""
    kept = ("doc_id", "language", "hash", "edition", "k", "n", "d", "wide")
    shared = {name: head[name] for name in kept if name in head}
    shortened = vectors.astype(np.float64).round(DECIMALS).tolist()
    for chunk, vector in zip(record.chunks, shortened, strict=True):
        row = {**shared, "kind": "vector", "unit": chunk.unit, "start": chunk.start, "end": chunk.end}
        row["ordinal"] = chunk.ordinal
        yield row_id(head["doc_id"], head["edition"], "v", chunk.ordinal), {**row, "vector": vector}


def _pieces(record: HeadRecord) -> list[str]:
    packed = zlib.compress(encode_record(record), 1)
    cuts = range(0, len(packed), PIECE)
    return [base64.b64encode(packed[cut : cut + PIECE]).decode("ascii") for cut in cuts]


def record_of(pieces: Sequence[str]) -> HeadRecord:
    """A document without its text, from the rows of its record in order."""
    return decode_head(zlib.decompress(b"".join(map(base64.b64decode, pieces))))


def field_name(name: str) -> str:
    """A metadata field's name as a server takes it: without dots, which would make objects, and never blank."""
    escaped = name.replace("%", "%25").replace(".", "%2E").replace("*", "%2A")
    return escaped if escaped.strip() else f"%{escaped}"


def own_name(name: str) -> str:
    """The metadata field of a name that `field_name` made."""
    plain_name = name[1:] if name.startswith("%") and not name[1:].strip() else name
    return plain_name.replace("%2A", "*").replace("%2E", ".").replace("%25", "%")


def values_of(fields: Mapping[str, MetadataValue], wide: Container[str] = ()) -> Json:
    """What a document is filtered by: every value by its text, numbers and dates beside it as what they are.

    Fields in `wide` have no field of their own on the server: their values stand in one field together.
    """
    found: dict[str, dict[str, list[Any]]] = {"k": {}, "n": {}, "d": {}}
    together: list[str] = []
    for name, value in fields.items():
        forms = own_forms(name, value)
        if not forms:
            continue
        path = field_name(str(name))
        texts = [keyword_term(text) for item in items_of(value) if (text := keyword(item)) is not None]
        if name in wide:
            together += [wide_term(name, text) for text in texts]
            continue
        found["k"][path] = texts
        if forms & {"number", "numeral"}:
            found["n"][path] = list(comparables(value, "number"))
        if "date" in forms:
            found["d"][path] = list(comparables(value, "date"))
    values: Json = {kind: values for kind, values in found.items() if values}
    return {**values, "wide": together} if together else values


def wide_term(name: str, text: str) -> str:
    """A value of a field without a field of its own."""
    return f"{field_name(name)}{WIDE}{text}"


def own_forms(name: str, value: object) -> frozenset[Form]:
    """The forms of a document's values in a field, as its type is counted from them."""
    forms = forms_of(value)
    return frozenset({"keyword"}) if forms and name in KEYWORDS_ONLY else forms


def form_name(name: str, form: Form, *, is_wide: bool = False) -> str:
    """What a head row says of a field that has values of a form."""
    return f"{WIDE if is_wide else form}:{name}"
