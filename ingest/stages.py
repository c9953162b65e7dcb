"""What happens to one file in a worker process: parse, identify, name its language, chunk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from ingest import chunkers, parsers
from ingest.chunkers.furniture import furniture_of
from ingest.enclosed import Place, Walk
from ingest.identity import document_id, file_metadata, storable, storable_metadata, title_of
from ingest.language import identifier, language_of
from ingest.parsers import elements
from ingest.protocols import Chunker
from ingest.sketches import sketch_of
from ingest.types import Entered, LeftOut, MemberFailed, Parsed, ParserOptions, ReadAs, SourceFile, Warned
from ingest.worker import Item, Task
from retrievers.types import Chunk, Document, IndexedDocument, MetadataValue

_STAGES_VERSION = "4"
_IN_A_FOLDER = Place()
_MESSAGES = {
    "empty": "it holds no text",
    "needs-ocr": "pages of it are pictures that were not read",
    "truncated": "it is longer than what is read of one file",
    "pages-lost": "some of its pages cannot be read",
    "repaired": "it is damaged and was read as far as it goes",
    "encoding": "its encoding is a guess",
}


def version() -> str:
    """Names what is done to every file; changes whenever all would be read differently."""
    return f"stages-{_STAGES_VERSION} parsers-{parsers.version()} chunker-{chunkers.VERSION}"


def reader(
    *,
    chunk: bool = True,
    max_tokens: int = chunkers.MAX_TOKENS,
    sketch: bool = False,
    parser: Mapping[str, object] | None = None,
) -> Task:
    """What workers do with a file; everything that it needs is loaded now, to be shared by them.

    Args:
        chunk: cut documents into chunks; without, they come with none.
        max_tokens: size of a chunk at most, in tokens of the embedder that ships.
        sketch: make sketches, by which near-duplicates are found.
        parser: the fields of `ParserOptions`.
    """
    parsers.preload()
    identifier()
    options = msgspec.convert(parser or {}, ParserOptions)
    if options.unstructured:
        elements.prepare(options.unstructured)
    chunker = chunkers.load(max_tokens=max_tokens) if chunk else None

    def read(file: SourceFile) -> Iterator[Item]:
        for item in Walk(file, options, id_of).items():
            if isinstance(item, Entered | ReadAs | LeftOut | MemberFailed):
                yield item
                continue
            parsed, lies_in, place = item
            document = identify(parsed, lies_in, place)
            made = sketch_of(document.text) if sketch else b""
            indexed = IndexedDocument(document=document, chunks=_chunks(chunker, parsed, document), sketch=made)
            yield indexed, _warnings(parsed, document)

    return read


def identify(parsed: Parsed, file: SourceFile, place: Place = _IN_A_FOLDER) -> Document:
    """The document with its id, title, language and metadata, clean enough for any index."""
    content_hash = parsed.content_hash or _hash_of(file)
    of_file = file_metadata(file)
    name = str(of_file["name"])
    text = storable(parsed.text) if parsed.text.strip() else ""
    source = f"{file.source}#{storable(parsed.record)}" if parsed.record else file.source
    pages = parsed.pages if text else (0,) * len(parsed.pages)
    labels = tuple(map(storable, parsed.page_labels))
    return Document(
        id=storable(parsed.record_id) or document_id(name, content_hash),
        source=source,
        sources=(source,),
        title=storable(parsed.title if parsed.record else title_of(parsed, name)).strip(),
        text=text,
        media_type=parsed.media_type,
        content_hash=content_hash,
        pages=pages,
        page_labels=labels,
        headings=parsed.headings if text else (),
        language=parsed.language or language_of(text),
        metadata=storable_metadata({**of_file, **parsed.metadata, **_whereabouts(place)}),
        furniture=furniture_of(text, pages, labels),
    )


def id_of(parsed: Parsed, file: SourceFile) -> str:
    """The id that the document has by itself."""
    name = str(file_metadata(file)["name"])
    return storable(parsed.record_id) or document_id(name, parsed.content_hash or _hash_of(file))


def _whereabouts(place: Place) -> dict[str, MetadataValue]:
    return {"container": place.container, "parent": place.parent}


def _hash_of(file: SourceFile) -> str:
    with file.path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _chunks(chunker: Chunker | None, parsed: Parsed, document: Document) -> Sequence[Chunk]:
    """The chunks; on 31 annual reports guessed headings in their contexts cost one question of 51."""
    if chunker is None:
        return ()
    return chunker.chunk(replace(document, headings=()) if parsed.guessed_headings else document)


def _warnings(parsed: Parsed, document: Document) -> tuple[Warned, ...]:
    kinds = parsed.warnings
    if not document.text and "needs-ocr" not in kinds:
        kinds = (*kinds, "empty")
    return tuple(
        Warned(
            source=document.source,
            kind=kind,
            message=_MESSAGES.get(kind, ""),
            pages=parsed.unread_pages if kind == "needs-ocr" else 0,
        )
        for kind in kinds
    )
