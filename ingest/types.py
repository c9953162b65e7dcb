"""The values that travel between finding, parsing and writing files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from retrievers.types import Heading, IndexedDocument, MetadataValue

FailureKind: TypeAlias = Literal[
    "broken",  # the content cannot be read as what it claims to be
    "encrypted",  # a password is needed
    "unsupported",  # no parser reads this format
    "timeout",  # the parser was stopped after its time limit
    "memory",  # the parser was stopped at its memory limit
    "crashed",  # the parser's process died
    "unreadable",  # the file system refused
    "vanished",  # it was there when it was found and is not there now
    "too-large",  # larger than what is read of one file
    "embed",  # the embedder failed
    "write",  # the index failed
]
INSIDE = "!/"
"""Between the source of a file and the name of one that lies in it."""

Stage: TypeAlias = Literal["find", "parse", "chunk", "embed", "write"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    r"""A file that was found.

    Attributes:
        path: where it lies; a name that is no valid UTF-8 is kept (surrogate escapes), so it can be opened.
        source: its path under the given root, with `/`, always valid Unicode (undecodable bytes as `\xe9`).
        fingerprint: changes when the file is written to: made of size and time of change, not of content. What was
            given about it is in there, too, behind a `+`.
        url: where a remote file is fetched from; it may hold credentials, so it is never shown.
        spooled: where a remote file lies for the moment.
        given: metadata from its path and from a file of metadata; it takes precedence over what the file says itself.
        begin: position of the first file inside it that is to be read; what lies before it was read already.
    """

    path: Path
    source: str
    size: int
    mtime_ns: int
    fingerprint: str
    url: str = field(default="", repr=False)
    spooled: Path | None = None
    given: Mapping[str, MetadataValue] = field(default_factory=dict)
    begin: tuple[int, ...] = ()

    @property
    def readable(self) -> Path:
        """The path that it can be opened by."""
        return self.spooled or self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    r"""What a parser read of one document; identity, language and chunks are added by `ingest.stages`.

    Attributes:
        text: the whole text, newlines as `\n`.
        title: as the content itself says, "" where it does not.
        pages: start offset of each page, ascending, the first 0; empty for a format without pages.
        headings: the outline, in order of `start`.
        guessed_headings: they were told by the size of letters: good to read by, too rough to embed with every chunk.
        warnings: keywords such as `empty` or `needs-ocr`.
        record: which record of its file this is (its id or its number), "" for a whole file.
        record_id: the id that a record gives itself, "" where it has none.
        content_hash: of a record's canonical form; "" for a whole file, where the hash is that of its bytes.
        language: ISO 639-1 code where the content says so, else "".
        unread_pages: pages that are pictures, and were not read.
    """

    text: str
    media_type: str
    title: str = ""
    pages: tuple[int, ...] = ()
    page_labels: tuple[str, ...] = ()
    headings: tuple[Heading, ...] = ()
    guessed_headings: bool = False
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    record: str = ""
    record_id: str = ""
    content_hash: str = ""
    language: str = ""
    unread_pages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosed:
    """A file inside another: a member of an archive, an attachment of a mail or a PDF.

    A parser yields it unread; the stages find its parser and read it under the limits of `ParserOptions`.

    Attributes:
        name: its path inside the enclosing file, as that says: it may be anything, and is never opened as a path.
        open: its content as a binary stream; called at most once, and before the parser is asked for the next.
        size: bytes that it claims to have, 0 where nothing is said; what is read is counted, and not believed.
        packed: bytes that it takes up in the enclosing file, 0 where nothing is said.
        mtime_ns: when it was last written to, 0 where nothing is said.
        is_left_out: a link, a device or a hidden file, which is counted and not read, as in folders.
    """

    name: str
    open: Callable[[], BinaryIO]
    size: int = 0
    packed: int = 0
    mtime_ns: int = 0
    is_left_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """What is read from now on lies inside the file in hand.

    Attributes:
        source: as `outer.zip!/inner/name.pdf`; the file in hand itself after the last of its members.
        position: numbers of the items of the parsers, from the outside in; empty for the file in hand itself.
        size: bytes that it claims to have.
    """

    source: str
    position: tuple[int, ...]
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAs:
    """The file in hand, or one inside it, is of this format."""

    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A link, a device or a hidden file inside the file in hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFailed:
    """A file inside another could not be read; the others go on."""

    source: str
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class OcrOptions:
    """How pictures of text are read.

    Attributes:
        program: path of tesseract; "" is the library of the extra `ocr`.
        data_folder: where its language data lies, "" is its own place.
        turns: it can find out which way is up.
        languages: names of tesseract's language data, such as `eng` and `deu`.
        always: also pages that have a text layer, in its place.
        page_seconds: CPU seconds that one page may cost.
    """

    program: str = ""
    data_folder: str = ""
    turns: bool = False
    languages: tuple[str, ...] = ("eng",)
    always: bool = False
    page_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ParserOptions:
    """What parsers are told; the same for all files of a run.

    It travels to the worker processes through a socket, never on a command line: it may hold passwords.

    Attributes:
        passwords: tried in turn on an encrypted file; never to be told to anybody.
        ocr: how pages that are pictures are read; None leaves them, and says that they need OCR.
        unstructured: names of formats that are read with the extra `unstructured`.
        file_pages: pages that are read of one file at most.
        file_characters: characters that are read of one file at most.
        id_field: the field of a record that is its id, "" for `_id` or `id`; a dot leads into objects.
        title_field: the field that is its title, "" for `title`.
        text_fields: the fields that are its text, in order; none for `text`, `content` or `body`.
        archive_depth: how deep files may lie in files; 1 is an archive without archives in it.
        archive_files: files that are read of one file at most.
        archive_ratio: a file inside another may be so many times larger than what it is packed in.
        archive_bytes: that may be unpacked of one file.
    """

    passwords: tuple[str, ...] = field(default=(), repr=False)
    ocr: OcrOptions | None = None
    unstructured: tuple[str, ...] = ()
    file_pages: int = 50_000
    file_characters: int = 200_000_000
    id_field: str = ""
    title_field: str = ""
    text_fields: tuple[str, ...] = ()
    archive_depth: int = 5
    archive_files: int = 100_000
    archive_ratio: int = 200
    archive_bytes: int = 8 << 30


DEFAULT_OPTIONS = ParserOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """A document that was read, with something about it that its owner should know.

    `kind` is a keyword: `empty`, `needs-ocr`, `pages-lost`, `repaired`, `truncated`, `encoding`; `pages` is how many
    pages it concerns, 0 where that says nothing.
    """

    source: str
    kind: str
    message: str = ""
    pages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFile:
    """Documents of one file, parsed and chunked.

    A file with many records comes in several of these, in order; `last` says that it is complete. A `Failure` may
    still come after some of them.

    Attributes:
        documents: ready to be written; with vectors only if they were embedded where the file was read.
        seconds: CPU seconds that the worker spent on this piece.
        embedder_seconds: that embedding these documents took.
        bytes_read: size of the file, on its last piece, else 0.
        failures: files inside it that could not be read.
        formats: of the file and of what was read inside it, up to here.
        left_out: links, devices and hidden files inside it.
    """

    file: SourceFile
    documents: Sequence[IndexedDocument]
    warnings: Sequence[Warned] = ()
    failures: Sequence[Failure] = ()
    formats: Sequence[str] = ()
    left_out: int = 0
    seconds: float = 0.0
    embedder_seconds: float = 0.0
    bytes_read: int = 0
    last: bool = True

    @property
    def pages(self) -> int:
        """Pages of all documents, a document without pages counting as one."""
        return sum(len(item.document.pages) or 1 for item in self.documents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One file (or folder, at stage `find`) that could not be had, and why.

    Attributes:
        path: of a file inside another: that of the outer file, `!/` and its name.
        file: None for a folder that could not be listed; the outer file of one inside another.
        hint: what to do about it, "" where nothing can be said.
        transient: trying again may help.
    """

    path: Path
    source: str
    kind: FailureKind
    stage: Stage
    message: str
    hint: str = ""
    transient: bool = False
    file: SourceFile | None = None
    seconds: float = 0.0


def is_inside(source: str, outer: str) -> bool:
    """A document of this source was read from a file inside the file of source `outer`."""
    return source.startswith(outer + INSIDE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What worker processes are left, besides libraries and a scratch folder of their own.

    Attributes:
        mode: `auto` does what this system can, `require` reads nothing where it cannot do all, `off` does nothing.
        read: files and folders that may be read, as the file system names them.
        execute: programs that parsers start.
    """

    mode: Literal["auto", "require", "off"] = "auto"
    read: tuple[bytes, ...] = (b"/",)
    execute: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one file may cost in a worker process before it is stopped; a file of records, from piece to piece.

    Attributes:
        cpu_seconds: CPU time for a file of any size.
        cpu_seconds_per_megabyte: added for each 1,000,000 bytes of the file.
        wall_factor: the wall clock may run this many times longer: a machine under load is no hang.
        memory_bytes: resident memory of a worker, above what it has when it starts.
        file_bytes: larger files are refused as `too-large` without being opened.
        files_per_worker: a worker is replaced by a fresh one after so many.
    """

    cpu_seconds: float = 10.0
    cpu_seconds_per_megabyte: float = 4.0
    wall_factor: float = 10.0
    memory_bytes: int = 1 << 30
    file_bytes: int = 2 << 30
    files_per_worker: int = 200
