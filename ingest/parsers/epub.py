"""Books (epub): the chapters in reading order, each a page, with headings and properties."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ingest.errors import ParseError
from ingest.parsers import html
from ingest.parsers.package import content_of, located, opened, xml_of
from ingest.parsers.properties import properties
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions
from retrievers.types import Heading, MetadataValue

MEDIA_TYPE = "application/epub+zip"
_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_TERMS = {"creator": "author", "date": "created"}
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document.

    Raises:
        ParseError: it is damaged, protected, or unpacks to more than is sane.
    """
    with opened(path) as archive:
        yield _read(archive)


def _read(archive: zipfile.ZipFile) -> Parsed:
    package = _package_name(archive)
    root = xml_of(archive, package)
    folder = posixpath.dirname(package)
    spine = _spine(root, folder)
    _refuse_protected(archive, spine)
    names = set(archive.namelist())
    titles = _contents(archive, root, folder)
    texts, headings, pages, at = [], [], [], 0
    for part in (part for part in spine if part in names):
        chapter = html.read(content_of(archive, part))
        text = f"{chapter.text}\n\n" if chapter.text else ""
        pages.append(at)
        headings += _shifted(chapter.headings or _named(titles.get(part, ""), text), at)
        texts.append(text)
        at += len(text)
    found = _metadata(root)
    title, language = found.pop("title", ""), str(found.pop("language", ""))
    lost = len(spine) - len(pages)
    return Parsed(
        text="".join(texts),
        media_type=MEDIA_TYPE,
        title=str(title),
        pages=tuple(pages),
        headings=tuple(headings),
        metadata=found,
        language=language[:2].lower() if language[2:3] in ("", "-") else "",
        warnings=("pages-lost",) * bool(lost),
    )


def _package_name(archive: zipfile.ZipFile) -> str:
    """The part that lists the others."""
    if _CONTAINER in archive.namelist():
        for item in xml_of(archive, _CONTAINER).iter("{*}rootfile"):
            return located("", item.get("full-path", ""))
    found = next((name for name in archive.namelist() if name.endswith(".opf")), "")
    if not found:
        raise ParseError("the list of its parts is missing")
    return found


def _spine(root: Any, folder: str) -> list[str]:
    """The parts that are pages, in reading order."""
    parts = {
        item.get("id", ""): located(folder, item.get("href", ""))
        for item in root.iter("{*}item")
        if item.get("media-type") in _PAGES
    }
    return [parts[item.get("idref", "")] for item in root.iter("{*}itemref") if item.get("idref", "") in parts]


def _refuse_protected(archive: zipfile.ZipFile, spine: list[str]) -> None:
    """A book whose text, and not only its fonts, is locked to a reader's account is encrypted."""
    if _ENCRYPTION in archive.namelist():
        locked = {located("", item.get("URI", "")) for item in xml_of(archive, _ENCRYPTION).iter("{*}CipherReference")}
        if locked & set(spine):
            raise ParseError("it is protected by its seller and cannot be read", kind="encrypted")


def _contents(archive: zipfile.ZipFile, root: Any, folder: str) -> Mapping[str, str]:
    """What the table of contents calls each part."""
    listed = next((i for i in root.iter("{*}item") if i.get("media-type") == "application/x-dtbncx+xml"), None)
    if listed is None:
        return {}
    part = located(folder, listed.get("href", ""))
    if part not in archive.namelist():
        return {}
    titles: dict[str, str] = {}
    for point in xml_of(archive, part).iter("{*}navPoint"):
        label, content = point.find("{*}navLabel/{*}text"), point.find("{*}content")
        if label is not None and content is not None:
            target = located(posixpath.dirname(part), content.get("src", ""))
            titles.setdefault(target, " ".join((label.text or "").split()))
    return titles


def _named(title: str, text: str) -> tuple[Heading, ...]:
    """The heading of a chapter that has none in its text."""
    return (Heading(title=title, level=1, start=0),) if title and text else ()


def _shifted(headings: tuple[Heading, ...], by: int) -> list[Heading]:
    return [Heading(title=heading.title, level=heading.level, start=heading.start + by) for heading in headings]


def _metadata(root: Any) -> dict[str, MetadataValue]:
    declared = root.find("{*}metadata")
    items = declared.iter("{*}*") if declared is not None else ()
    named = ((item.tag.rpartition("}")[2], "".join(item.itertext())) for item in items)
    return properties((_TERMS.get(name, name), value) for name, value in named)
