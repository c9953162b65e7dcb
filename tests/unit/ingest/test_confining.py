"""Workers are let near what a run is given, and to nothing else."""

from __future__ import annotations

from pathlib import Path

from ingest.confining import confinement_of, folders_of, notes_of
from ingest.settings import IngestSettings
from ingest.types import OcrOptions, ParserOptions


def test_paths_are_let_near_where_links_lead(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "archive")

    confinement = confinement_of(IngestSettings(), ParserOptions(), [tmp_path / "link"])

    assert confinement.read == (bytes((tmp_path / "archive").resolve()),)
    assert confinement.execute == ()


def test_the_program_that_reads_scans_may_be_started_and_its_data_read(tmp_path: Path) -> None:
    program, data = tmp_path / "tesseract", tmp_path / "data"
    parser = ParserOptions(ocr=OcrOptions(program=str(program), data_folder=str(data)))

    confinement = confinement_of(IngestSettings(confine="require"), parser, [])

    assert (confinement.mode, confinement.execute) == ("require", (str(program.resolve()),))
    assert confinement.read == (bytes(data.resolve()),)


def test_files_are_let_near_by_their_folders() -> None:
    assert folders_of(map(Path, ["/b/one", "/a/one", "/b/two"])) == [Path("/a"), Path("/b")]
    assert folders_of([]) == []


def test_workers_are_let_near_none_of_very_many_folders() -> None:
    assert folders_of(Path(f"/archive/{number}/file") for number in range(5_000)) == []


def test_a_reason_is_told_once() -> None:
    assert notes_of({}) == ()
    (note,) = notes_of({"reading": "no Landlock", "writing": "no Landlock"})
    assert note.endswith("not fully confined: reading, writing (no Landlock)")
