"""What the workers of a run are left, from its settings and its paths; and what is said where a system cannot do it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ingest.settings import IngestSettings
from ingest.types import Confinement, ParserOptions

_MOST_FOLDERS = 1_000  # a worker opens each of them as it starts


def confinement_of(table: IngestSettings, parser: ParserOptions, paths: Sequence[Path]) -> Confinement:
    """Workers read below these paths, and start the program that reads pictures, if there is one."""
    program = parser.ocr.program if parser.ocr is not None else ""
    data = [parser.ocr.data_folder] if parser.ocr is not None and parser.ocr.data_folder else []
    return Confinement(
        mode=table.confine,
        read=tuple(os.fsencode(os.path.realpath(path)) for path in (*paths, *map(Path, data))),
        execute=(os.path.realpath(program),) if program else (),
    )


def folders_of(files: Iterable[Path]) -> list[Path]:
    """The folders of these files; none if there are very many."""
    folders: set[Path] = set()
    for file in files:
        folders.add(file.parent)
        if len(folders) > _MOST_FOLDERS:
            return []
    return sorted(folders)


def notes_of(lacking: Mapping[str, str]) -> tuple[str, ...]:
    """What the report says of workers that were confined in part, or not at all."""
    if not lacking:
        return ()
    reasons = ", ".join(dict.fromkeys(lacking.values()))
    return (f"the processes that read files were limited, but not fully confined: {', '.join(lacking)} ({reasons})",)
