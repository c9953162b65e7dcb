"""Zip files of XML parts, as Office, OpenDocument and epub files are: opened and read with bombs refused."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ingest.errors import ParseError
from ingest.parsers.properties import properties
from retrievers.types import MetadataValue

_PART_BYTES = 256 << 20  # of one part, unpacked
_RATIO = 200  # unpacked to packed, of a part above a megabyte: text packs to a tenth, a bomb to a thousandth
_SMALL = 1 << 20
_CORE = "docProps/core.xml"
_TERMS = {"creator": "author", "description": "description"}
_RELATIONS = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip file at `path`.

    Raises:
        ParseError: it is damaged, or what is read of it is.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error) as error:
        raise ParseError(f"its zip container is damaged: {error}") from error


def content_of(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a part.

    Raises:
        ParseError: there is none, it is encrypted, or a bomb.
    """
    try:
        info = archive.getinfo(name)
    except KeyError as error:
        raise ParseError(f"its part {name} is missing") from error
    if info.flag_bits & 1:
        raise ParseError("it is encrypted: a password is needed", kind="encrypted")
    if info.file_size > _PART_BYTES or (info.file_size > max(_SMALL, _RATIO * info.compress_size)):
        raise ParseError(f"it unpacks to {info.file_size:,} bytes", kind="too-large")
    return archive.read(name)


def xml_of(archive: zipfile.ZipFile, name: str, replaced: Mapping[bytes, bytes] | None = None) -> Any:
    """The root element of a part; `replaced` are names of namespaces that are written as others.

    Raises:
        ParseError: it is missing, encrypted, no XML, or a bomb.
    """
    return tree_of(content_of(archive, name), name, replaced)


def tree_of(content: bytes, name: str, replaced: Mapping[bytes, bytes] | None = None) -> Any:
    """The root element of XML that is called `name`.

    Raises:
        ParseError: it is no XML.
    """
    from lxml import etree

    for old, new in (replaced or {}).items():
        content = content.replace(old, new)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False, recover=False)
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise ParseError(f"{name} in it is damaged: {error}") from error


def core_properties(archive: zipfile.ZipFile) -> dict[str, MetadataValue]:
    """Title, author and dates of an Office file."""
    if _CORE not in archive.namelist():
        return {}
    named = ((item.tag.rpartition("}")[2], item.text or "") for item in xml_of(archive, _CORE).iter("{*}*"))
    return properties((_TERMS.get(name, name), value) for name, value in named)


def related(archive: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """What a part of an Office file refers to, by the id it uses: the last word of the kind, and the part."""
    folder, name = posixpath.split(part)
    listed = posixpath.join(folder, "_rels", f"{name}.rels")
    if listed not in archive.namelist():
        return {}
    found = {}
    for item in xml_of(archive, listed).iter("{*}Relationship"):
        if item.get("TargetMode") != "External":
            kind = item.get("Type", "").rpartition("/")[2]
            found[item.get("Id", "")] = (kind, located(folder, item.get("Target", "")))
    return found


def main_part(archive: zipfile.ZipFile, usual: str) -> str:
    """The part that an Office file begins with."""
    return next((part for kind, part in related(archive, "").values() if kind == "officeDocument"), usual)


def located(folder: str, target: str) -> str:
    """The name of the part that a part in `folder` calls `target`."""
    return posixpath.normpath(posixpath.join("/", folder, unquote(target.partition("#")[0]))).lstrip("/")


def relation(element: Any) -> str:
    """The id by which an element refers to another part."""
    return str(element.get(f"{_RELATIONS}id", ""))
