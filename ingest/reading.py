"""How files are read, as the settings say: the version of each format, with what its parser is told."""

from __future__ import annotations

from typing import Final

from ingest import parsers, stages
from ingest.parsers import elements
from ingest.readers import Reader
from ingest.settings import IngestSettings

_WITH_RECORDS: Final = ("json", "jsonl", "csv", "tsv")
_WITH_PICTURES: Final = ("pdf", "png", "jpeg", "tiff", "webp", "gif", "bmp")


def reader_of(table: IngestSettings) -> Reader:
    """How files are read, as the settings say."""
    sketched = " sketches" if table.near_duplicates else ""
    return Reader(
        common=f"{stages.version()} tokens-{table.max_tokens}{sketched}",
        formats={name: f"{version}{_told(name, table)}" for name, version in parsers.versions().items()},
    )


def _told(name: str, table: IngestSettings) -> str:
    """The settings that a format's parser reads by."""
    told = ""
    if name in table.unstructured:
        told += f":unstructured-{elements.version()}"
    if name in _WITH_PICTURES and table.ocr == "always":
        told += f":ocr-{'+'.join(table.ocr_languages)}"
    fields = (table.id_field, table.title_field, *table.text_field)
    if name in _WITH_RECORDS and any(fields):
        told += f":fields-{'+'.join(fields)}"
    return told
