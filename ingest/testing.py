"""Small real parts for tests of ingestion: an index in memory that can crash, and a pool that reads in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ingest.types import Failure, ParsedFile, SourceFile, Warned
from retrievers.types import Chunk, Document, IndexedDocument, Matrix


@dataclass(slots=True)
class MemoryWriter:
    """An `IndexWriter` that keeps what was flushed apart from what was not.

    `durable` is what a crash leaves; open a new writer on it to see what the next run finds.
    """

    durable: dict[str, IndexedDocument] = field(default_factory=dict)
    flushes: int = 0
    is_closed: bool = False
    _now: dict[str, IndexedDocument] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._now = dict(self.durable)

    def replace(self, documents: Sequence[IndexedDocument], *, removing: Sequence[str] = ()) -> None:
        """Add documents and drop others."""
        self.delete(removing)
        for item in documents:
            self._now[item.document.id] = item

    def set_vectors(self, document_id: str, content_hash: str, vectors: Matrix) -> None:
        """Give a document its vectors, if it is still the same."""
        held = self._now.get(document_id)
        if held is not None and held.document.content_hash == content_hash:
            self._now[document_id] = IndexedDocument(document=held.document, chunks=held.chunks, vectors=vectors)

    def missing_vectors(self) -> Iterator[str]:
        """Documents with chunks and without vectors."""
        for document_id, item in list(self._now.items()):
            if item.vectors is None and item.chunks:
                yield document_id

    def chunks_of(self, document_id: str) -> IndexedDocument | None:
        """A document without its vectors."""
        held = self._now.get(document_id)
        return IndexedDocument(document=held.document, chunks=held.chunks) if held else None

    def holds(self, document_id: str) -> str:
        """The content hash, or ""."""
        held = self._now.get(document_id)
        return held.document.content_hash if held else ""

    def delete(self, document_ids: Sequence[str]) -> None:
        """Drop documents."""
        for document_id in document_ids:
            self._now.pop(document_id, None)

    def flush(self) -> None:
        """Make it durable."""
        self.flushes += 1
        self.durable.clear()
        self.durable.update(self._now)

    def close(self) -> None:
        """Flush."""
        self.flush()
        self.is_closed = True


class InlinePool:
    """Reads text files in this process: a file is a document, each line of a `.lines` file is a record `id text`.

    A file that begins with `FAIL` cannot be read. `attempts` counts how often each file was read.
    """

    def __init__(self) -> None:
        self.attempts: dict[str, int] = {}
        self.lacking: dict[str, str] = {}
        self._is_stopped = False

    def run(self, files: Iterable[SourceFile]) -> Iterator[ParsedFile | Failure]:
        """Read the files, one after the other."""
        for file in files:
            if self._is_stopped:
                return
            self.attempts[file.source] = self.attempts.get(file.source, 0) + 1
            text = file.path.read_text(encoding="utf-8")
            if text.startswith("FAIL"):
                yield Failure(
                    path=file.path, source=file.source, kind="broken", stage="parse", message="it says so", file=file
                )
            elif file.path.suffix == ".lines":
                yield from self._records(file, text)
            else:
                yield self._whole(file, text)

    def stop(self) -> None:
        """End before the next file."""
        self._is_stopped = True

    def __enter__(self) -> InlinePool:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _records(self, file: SourceFile, text: str) -> Iterator[ParsedFile]:
        for line in text.splitlines():
            name, _, content = line.partition(" ")
            item = indexed(name, content, source=f"{file.source}#{name}", own_name=True)
            yield ParsedFile(file=file, documents=[item], formats=["lines"], last=False)
        yield ParsedFile(file=file, documents=[], formats=["lines"], bytes_read=file.size)

    def _whole(self, file: SourceFile, text: str) -> ParsedFile:
        item = indexed(file.path.stem, text, source=file.source)
        warnings = [] if text.strip() else [Warned(source=file.source, kind="empty")]
        return ParsedFile(file=file, documents=[item], warnings=warnings, formats=["text"], bytes_read=file.size)


def indexed(name: str, text: str, *, source: str, own_name: bool = False) -> IndexedDocument:
    """A document with a chunk for each of its lines."""
    content_hash = hashlib.sha256(text.encode()).hexdigest()
    document = Document(
        id=name if own_name else f"{name}-{content_hash[:8]}",
        source=source,
        title=name,
        text=text,
        media_type="text/plain",
        content_hash=content_hash,
        sources=(source,),
    )
    chunks: list[Chunk] = []
    start = 0
    for line in text.splitlines(keepends=True):
        if line.strip():
            chunk = Chunk(
                id=f"{document.id}#c{len(chunks)}",
                document_id=document.id,
                ordinal=len(chunks),
                start=start,
                end=start + len(line),
                text=line,
            )
            chunks.append(chunk)
        start += len(line)
    return IndexedDocument(document=document, chunks=chunks)
