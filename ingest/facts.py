"""What is given about files from outside them: by templates of their paths, and by a file of metadata."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import msgspec

from ingest.identity import storable_metadata
from ingest.settings import IngestSettings
from ingest.sidecar import Sidecar, SidecarCounts
from ingest.templates import PathFields
from ingest.types import Failure, ParsedFile, SourceFile
from retrievers.types import IndexedDocument, MetadataValue


class TemplateCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many files each path template has given fields to, and how many files none fits."""

    fitted: dict[str, int]
    unfitted_files: int = 0


class Facts:
    """Adds to each file what is given about it; the file of metadata takes precedence over the path.

    What is given is part of the fingerprint, so that a file whose metadata has changed is read again; its vectors
    come from the cache.
    """

    def __init__(self, path_fields: PathFields, sidecar: Sidecar | None) -> None:
        self._path_fields, self._sidecar = path_fields, sidecar

    def added(self, found: Iterator[SourceFile | Failure]) -> Iterator[SourceFile | Failure]:
        """The files with what is given about them."""
        for file in found:
            yield file if isinstance(file, Failure) else self._with_given(file)

    def apply(self, parsed: ParsedFile) -> ParsedFile:
        """The documents of a file with what is given about them; `title` is also what they are called."""
        if self._sidecar is None and not parsed.file.given:
            return parsed
        documents = [self._with_metadata(item, parsed.file) for item in parsed.documents]
        if self._sidecar and parsed.last:
            self._sidecar.note_read(parsed.file)
        return replace(parsed, documents=documents)

    def sidecar_counts(self, is_document: Callable[[str], bool]) -> SidecarCounts | None:
        """How the file of metadata has fitted."""
        return self._sidecar.counts(is_document) if self._sidecar else None

    def template_counts(self) -> TemplateCounts | None:
        """How the path templates have fitted."""
        fitted = dict(self._path_fields.fitted)
        return TemplateCounts(fitted=fitted, unfitted_files=self._path_fields.unfitted) if fitted else None

    def _with_given(self, file: SourceFile) -> SourceFile:
        of_path = self._path_fields.of(file.source)
        of_row = self._sidecar.of_file(file) if self._sidecar else {}
        given = storable_metadata({**of_path, **of_row})
        more = self._given_inside(file)
        if not given and not more:
            return file
        told = hashlib.sha256(msgspec.json.encode([sorted(given.items()), more])).hexdigest()[:16]
        return replace(file, given=given, fingerprint=f"{file.fingerprint}+{told}")

    def _given_inside(self, file: SourceFile) -> str:
        """Changes with what is given about documents and members of a file, which are not known before it is read."""
        if self._sidecar is None:
            return ""
        return self._sidecar.digest if self._sidecar.by_id else self._sidecar.digest_of_members(file)

    def _with_metadata(self, item: IndexedDocument, file: SourceFile) -> IndexedDocument:
        document = item.document
        own_id = document.source.rpartition("#")[2] if "#" in document.source else ""
        rows = self._sidecar
        of_row = {**rows.of_member(file, document.source), **rows.of_document(document.id, own_id)} if rows else {}
        given: Mapping[str, MetadataValue] = storable_metadata({**file.given, **of_row})
        if not given:
            return item
        title = given.get("title")
        named = title if isinstance(title, str) and title else document.title
        return replace(item, document=replace(document, title=named, metadata={**document.metadata, **given}))


@contextmanager
def open_facts(table: IngestSettings) -> Iterator[Facts]:
    """What the settings say is given about files.

    Raises:
        ConfigError: a template or the file of metadata cannot be used.
    """
    path_fields = PathFields(table.path_fields)
    with Sidecar(Path(table.metadata).expanduser()) if table.metadata else nullcontext(None) as sidecar:
        yield Facts(path_fields, sidecar)
