"""What a zip or an OLE file is, told by what lies in it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ingest.errors import ParseError, UnsupportedFormat
from ingest.parsers.formats import BY_NAME, FORMATS, Format

ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_IWORK = ("Index/Document.iwa", "Index.zip", "index.apxl", "buildVersionHistory.plist")
_OTHER_ZIPS = {"Apple iWork": _IWORK}
_CONTENT_TYPES = "[Content_Types].xml"
_ENCRYPTED = "EncryptedPackage"
_SEARCHED = 64 << 20
_MIMETYPE_BYTES = 200
_OTHER_OLE = {"VisioDocument": "Visio", "Quill": "Publisher"}


def format_of_zip(path: Path, by_name: Format | None) -> Format:
    """The format of a zip file: by its member `mimetype`, else by the names of the others.

    Raises:
        ParseError: it is damaged, and its name says that it is a document.
        UnsupportedFormat: it holds nothing that is read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            mimetype = _mimetype(archive) if "mimetype" in names else ""
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, EOFError) as error:
        if by_name is not None and by_name.is_binary and by_name.name != "pdf":
            raise ParseError(f"its zip container is damaged: {error}") from error
        raise UnsupportedFormat("damaged zip files are not read", hint="pack it again") from error
    for format_ in FORMATS:
        if mimetype.startswith(format_.media_type):
            return format_
    for format_ in FORMATS:
        if _holds(names, format_.parts):
            return format_
    return _other_zip(names)


def _mimetype(archive: zipfile.ZipFile) -> str:
    with archive.open("mimetype") as member:
        return member.read(_MIMETYPE_BYTES).decode("ascii", "replace").strip()


def _holds(names: list[str], parts: tuple[str, ...]) -> bool:
    """Whether one of these is in it; folders count in Office files, any archive may have some of such a name."""
    folders = tuple(part for part in parts if part.endswith("/"))
    is_office = _CONTENT_TYPES in names
    return any(name in parts or (is_office and bool(folders) and name.startswith(folders)) for name in names)


def _other_zip(names: list[str]) -> Format:
    for kind, parts in _OTHER_ZIPS.items():
        if _holds(names, parts):
            raise UnsupportedFormat(f"{kind} files are not read", hint="save it as PDF")
    if "zip" in BY_NAME:
        return BY_NAME["zip"]
    raise UnsupportedFormat("zip archives are not read", hint="unpack it")


def format_of_ole(path: Path, by_name: Format | None) -> Format:
    """The format of an OLE file, by its streams.

    Raises:
        ParseError: it is encrypted, or damaged.
        UnsupportedFormat: it holds nothing that is read.
    """
    streams = _streams(path)
    if _ENCRYPTED.lower() in streams:
        raise ParseError("it is encrypted: a password is needed", kind="encrypted")
    for format_ in FORMATS:
        if any(stream.lower() in streams for stream in format_.streams):
            return format_
    known = next((name for stream, name in _OTHER_OLE.items() if stream.lower() in streams), "OLE")
    raise UnsupportedFormat(f"{known} files are not read", hint="save it as docx, pptx or PDF")


def _streams(path: Path) -> set[str]:
    """The names at the top of an OLE file, in lower case as they are the same in any."""
    import olefile

    try:
        with olefile.OleFileIO(path) as ole:
            return {entry[0].lower() for entry in ole.listdir(streams=True, storages=True)}
    except (OSError, ValueError, IndexError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        if _mentions(path, _ENCRYPTED):
            return {_ENCRYPTED.lower()}
        raise ParseError(f"its OLE container is damaged: {error}") from error


def _mentions(path: Path, stream: str) -> bool:
    with path.open("rb") as file:
        return stream.encode("utf-16-le") in file.read(_SEARCHED)
