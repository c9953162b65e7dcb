"""A new version of a parser reads again what it concerns, and nothing else."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ingest import commands, stages, wire
from ingest.parsers import FORMATS, versions
from ingest.reading import reader_of
from ingest.settings import IngestSettings
from ingest.testing import InlinePool
from ingest.types import SourceFile
from ingest.worker import pieces
from tests.unit.ingest.conftest import Run


@pytest.fixture
def pools(run: Run, monkeypatch: pytest.MonkeyPatch) -> list[InlinePool]:
    """The pools of all runs."""
    made: list[InlinePool] = []

    def open_pool(*_: object) -> InlinePool:
        made.append(InlinePool())
        return made[-1]

    monkeypatch.setattr(commands, "open_pool", open_pool)
    return made


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in {"a.txt": "One.", "b.txt": "Two.", "c.lines": "1 one\n2 two", "bad.txt": "FAIL"}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def ingest(run: Run, *arguments: str) -> Any:
    code, out, err = run("files", *arguments, "--embedder", "none", "--json")
    assert code in (0, 4), err
    return json.loads(out)


def test_a_new_parser_reads_its_format_again_and_what_no_parser_could_read(
    run: Run, pools: list[InlinePool], files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {**versions(), "lines": "1"}
    monkeypatch.setattr("ingest.reading.parsers.versions", lambda: known)
    ingest(run)
    ingest(run)
    assert pools[-1].attempts == {}
    known["lines"] = "2"

    assert ingest(run, "--dry-run")["unchanged"] == 2
    ingest(run)
    assert pools[-1].attempts == {"c.lines": 1, "bad.txt": 1}
    ingest(run)
    assert pools[-1].attempts == {}


def test_another_chunker_reads_everything_again(run: Run, pools: list[InlinePool], files: Path) -> None:
    ingest(run)
    Path("rlm-search.toml").write_text("[ingest]\nmax_tokens = 100\n", encoding="utf-8")
    ingest(run)
    assert len(pools[-1].attempts) == 4


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        (IngestSettings(text_field=("body",)), {"json", "jsonl", "csv", "tsv"}),
        (IngestSettings(ocr="always"), {"pdf", "png", "jpeg", "tiff", "webp", "gif", "bmp"}),
        (IngestSettings(ocr="off"), set()),
        (IngestSettings(unstructured=("rtf",)), {"rtf"}),
    ],
)
def test_a_setting_concerns_the_formats_that_are_read_by_it(settings: IngestSettings, changed: set[str]) -> None:
    before, after = reader_of(IngestSettings()), reader_of(settings)

    assert {name for name in before.formats if before.stamp(name) != after.stamp(name)} == changed


def test_a_worker_tells_the_formats_of_all_that_it_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")
        archive.writestr("b.md", "# Title")
    file = SourceFile(path=path, source="a.zip", size=path.stat().st_size, mtime_ns=0, fingerprint="")

    *_, last = pieces(stages.reader(chunk=False)(file))

    assert isinstance(last, wire.Piece)
    assert last.formats == ["markdown", "text", "zip"]


def test_every_format_has_a_version() -> None:
    assert {format_.name for format_ in FORMATS} <= versions().keys()
    assert all(versions().values())
