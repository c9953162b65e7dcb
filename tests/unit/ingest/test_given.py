"""Metadata from paths and from a file of rows: what fits, what wins, and what changes later."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import ConfigError
from ingest.parsers.json import parse as parse_json
from ingest.parsers.jsonl import parse as parse_jsonl
from ingest.parsers.tabular import parse_csv
from ingest.sidecar import Sidecar
from ingest.templates import PathFields, Template
from ingest.types import ParserOptions, SourceFile
from retrievers.embedded import EmbeddedRetriever
from tests.unit.ingest.conftest import Run
from tests.unit.ingest.test_cli import object_of


@pytest.mark.parametrize(
    ("template", "source", "fields"),
    [
        ("{company}_{year:int}_{form}.pdf", "in/3M_2018_10K.pdf", {"company": "3M", "year": 2018, "form": "10K"}),
        ("{company}_{year:int}_{form}", "3M_2018_10K.pdf", {"company": "3M", "year": 2018, "form": "10K"}),
        ("{company}_{year:int}_{form}.pdf", "3M_18a_10K.pdf", None),
        ("{year:int}/{department}/*.txt", "all/2018/legal/x.txt", {"year": 2018, "department": "legal"}),
        ("{day:date} {}.txt", "2018-02-28 minutes.txt", {"day": "2018-02-28"}),
        ("{day:date}*", "20180230.txt", None),
        ("{month:date}.csv", "2018-02.csv", {"month": "2018-02"}),
        ("v{version:float}.txt", "v1.50.txt", {"version": 1.5}),
        ("{n:int}.txt", "99999999999999999999.txt", {"n": "99999999999999999999"}),
        ("{a}(b)+.txt", "x(b)+.txt", {"a": "x"}),
    ],
)
def test_a_template_gives_the_fields_of_a_path(template: str, source: str, fields: dict[str, Any] | None) -> None:
    assert Template(template).match(source) == fields


@pytest.mark.parametrize("template", ["report.pdf", "{a", "a}", "{a:number}", "{a}_{a}", "{a b}", "{{a}}", "{:}"])
def test_a_template_that_makes_no_sense_is_one_sentence(template: str) -> None:
    with pytest.raises(ConfigError, match=r"path template .* cannot be used") as refused:
        Template(template)
    assert "{company}" in refused.value.hint


def test_the_first_template_that_fits_gives_its_fields_and_the_others_are_counted() -> None:
    fields = PathFields(["{year:int}.txt", "{name}.txt", "{never}.pdf"])
    assert (fields.of("2018.txt"), fields.of("x.txt"), fields.of("x.md")) == ({"year": 2018}, {"name": "x"}, {})
    assert (dict(fields.fitted), fields.unfitted) == (
        {"{year:int}.txt": 1, "{name}.txt": 1, "{never}.pdf": 0}, 1
    )  # fmt: skip


def found(source: str, root: Path = Path("in")) -> SourceFile:
    return SourceFile(path=root / source, source=source, size=1, mtime_ns=0, fingerprint="")


def test_rows_are_joined_as_given_relative_absolute_or_by_a_bare_name(tmp_path: Path) -> None:
    table = tmp_path / "about.csv"
    table.write_text(
        f"path,n\nin/a.txt,1\nsub/b.txt,2\n{tmp_path.resolve()}/c.txt,3\nd.txt,4\ne.txt,5\nx/e.txt,6\ngone.txt,7\n"
    )
    with Sidecar(table) as rows:
        files = [found("a.txt"), found("sub/b.txt"), found("c.txt", tmp_path.resolve()), found("deep/d.txt")]
        assert [rows.of_file(file).get("n") for file in files] == [1, 2, 3, 4]
        assert rows.of_file(found("other/e.txt")) == {}  # two rows have this name
        counts = rows.counts(lambda _: False)
        assert (counts.rows, counts.unmatched_rows, counts.unmatched_files) == (7, 3, 1)
        assert counts.examples == ("e.txt", "x/e.txt", "gone.txt")


def test_names_that_are_no_utf_8_are_looked_up_as_others_are(tmp_path: Path) -> None:
    table = tmp_path / "about.jsonl"
    table.write_text('{"path": "a\\udcff.txt", "n": 1}\n{"path": "b.txt", "n": 2}\n')
    with Sidecar(table) as rows:
        assert [rows.of_file(found(name)).get("n") for name in ("a\udcff.txt", "c\udcff.txt", "b.txt")] == [1, None, 2]
        assert rows.counts(lambda _: False).unmatched_files == 1


def test_cells_are_numbers_and_booleans_where_nothing_is_lost_by_it(tmp_path: Path) -> None:
    table = tmp_path / "about.csv"
    table.write_text("file;zip;year;share;draft;note;none\na.txt;01234;2018;1.5;True;x, y;\n", encoding="utf-8-sig")
    with Sidecar(table) as rows:
        assert rows.of_file(found("a.txt")) == {
            "zip": "01234",
            "year": 2018,
            "share": 1.5,
            "draft": True,
            "note": "x, y",
        }


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_a_table_as_spreadsheets_save_it_is_read_and_names_files_all_the_same(tmp_path: Path, encoding: str) -> None:
    text = "path;Größe;who\r\nsub\\café.txt;3;Jörg Müller in Zürich\r\nthé.txt;4;naïve Françoise\r\n"
    (tmp_path / "about.csv").write_bytes(text.encode(encoding))
    with Sidecar(tmp_path / "about.csv") as rows:
        assert rows.of_file(found("sub/café.txt")) == {"Größe": 3, "who": "Jörg Müller in Zürich"}
        assert rows.of_file(found("far/thé.txt"))["who"] == "naïve Françoise"


def test_an_accent_is_the_same_however_it_is_composed(tmp_path: Path) -> None:
    (tmp_path / "about.csv").write_text("path,n\nin/caf\u00e9.txt,1\nthe\u0301.txt,2\n", encoding="utf-8")
    with Sidecar(tmp_path / "about.csv") as rows:
        assert rows.of_file(found("cafe\u0301.txt")) == {"n": 1}
        assert rows.of_file(found("far/th\u00e9.txt")) == {"n": 2}


def test_a_table_names_files_by_the_bytes_that_they_have(tmp_path: Path) -> None:
    (tmp_path / "about.csv").write_bytes(b"path,n\na\xff.txt,1\n")
    with Sidecar(tmp_path / "about.csv") as rows:
        assert rows.of_file(found(r"a\xff.txt")) == {"n": 1}


def test_of_rows_that_name_one_file_the_first_counts_and_the_others_are_told(tmp_path: Path) -> None:
    (tmp_path / "about.csv").write_text("path,year\nin/a.txt,1\nin/a.txt,2\nb.txt,3\n")
    with Sidecar(tmp_path / "about.csv") as rows:
        assert rows.of_file(found("a.txt")) == {"year": 1}
        counts = rows.counts(lambda _: False)
    assert (counts.repeated_rows, counts.unmatched_rows, counts.examples) == (1, 1, ("b.txt",))


def test_a_table_that_the_temporary_folder_has_no_room_for_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "about.csv").write_text("path,n\n" + "".join(f"{number}.txt,{number}\n" for number in range(30_000)))
    real = sqlite3.connect

    def small(*arguments: Any, **options: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = real(*arguments, **options)
        database.execute("PRAGMA max_page_count = 40")  # as a disk of 160 kB
        return database

    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(ConfigError, match=r"cannot hold the metadata .*about.csv: database or disk is full") as refused:
        Sidecar(tmp_path / "about.csv")
    assert "TMPDIR" in refused.value.hint


@pytest.mark.parametrize(("name", "text"), [("m.csv", "a,b\n1,2\n"), ("m.jsonl", "[1]\n"), ("m.jsonl", "{")])
def test_metadata_that_cannot_be_joined_is_one_sentence(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match="the metadata"):
        Sidecar(tmp_path / name)
    with pytest.raises(ConfigError, match="cannot read the metadata"):
        Sidecar(tmp_path / "nowhere.csv")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "3M_2018.txt").write_text("The crane in the harbour.")
    (folder / "AMD_2019.txt").write_text("The ledger of the yard.")
    (folder / "r.lines").write_text("r1 one record\nr2 another record\n")
    return folder


def metadata() -> dict[str, dict[str, Any]]:
    reader = EmbeddedRetriever(Path(".rlm-search/index"))
    return {item.source: dict(item.metadata) for item in reader.scan()}


def test_rows_win_over_paths_and_both_over_the_document(run: Run, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"path": "3M_2018.txt", "company": "3M Co.", "title": "Annual report"}\n')
    words = ("in", "--embedder", "none", "--metadata", "m.jsonl", "--path-fields", "{company}_{year:int}", "--json")

    report = object_of(run(*words))

    about = metadata()
    assert (about["3M_2018.txt"]["company"], about["3M_2018.txt"]["year"]) == ("3M Co.", 2018)
    assert about["AMD_2019.txt"]["company"] == "AMD"
    assert [hit.title for hit in EmbeddedRetriever(Path(".rlm-search/index")).search("crane")] == ["Annual report"]
    assert report["metadata"]["unmatched_files"] == 2
    assert report["path_fields"] == {"fitted": {"{company}_{year:int}": 2}, "unfitted_files": 1}


def test_changed_metadata_reaches_unchanged_documents_and_nothing_is_embedded_again(
    run: Run, archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "m.csv").write_text("path,grade\n3M_2018.txt,A\nAMD_2019.txt,B\n")
    words = ("in", "--metadata", "m.csv", "--embedder", "hashing", "--json")
    run(*words)
    again = object_of(run(*words))
    (tmp_path / "m.csv").write_text("path,grade\n3M_2018.txt,C\nAMD_2019.txt,B\n")

    report = object_of(run(*words))

    assert (again["files"]["read"], report["files"]["read"]) == (0, 1)
    assert {source: about.get("grade") for source, about in metadata().items() if "#" not in source} == {
        "3M_2018.txt": "C",
        "AMD_2019.txt": "B",
    }
    assert report["holds"]["vectors"] == report["holds"]["chunks"]
    run("in", "--json")
    assert not any("grade" in about for about in metadata().values())


def test_rows_are_joined_to_records_by_id(run: Run, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,grade\nr1,A\nr3,B\n")
    words = ("in", "--metadata", "m.csv", "--embedder", "none", "--json")

    first = object_of(run(*words))["metadata"]
    second = object_of(run(*words))["metadata"]

    assert metadata()["r.lines#r1"]["grade"] == "A"
    assert (first["unmatched_rows"], first["examples"]) == (1, ["r3"])
    assert second["unmatched_rows"] == 1


def test_a_person_reads_what_has_fitted_nothing(run: Run, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,grade\ngone.txt,A\n")
    _, out, _ = run("in", "--metadata", "m.csv", "--path-fields", "{a}.pdf", "--embedder", "none")
    assert "metadata: 1 row, 1 row fits no file, 3 files have no row (e.g. gone.txt)" in out
    assert "path template: '{a}.pdf' fits no file" in out


def test_a_conflict_of_types_is_told_once_with_the_first_file_and_both_values_are_found(
    run: Run, archive: Path, tmp_path: Path
) -> None:
    (archive / "Sun_2020.txt").write_text("The lamp of the pier.")
    rows = "path,grade,when\n3M_2018.txt,7,2018-03-01\nAMD_2019.txt,good,2019-03-01\nSun_2020.txt,8,2020-03-01\n"
    (tmp_path / "m.csv").write_text(rows)
    words = ("in", "--metadata", "m.csv", "--embedder", "none", "--json")

    notes = object_of(run(*words))["notes"]

    assert notes == [
        "field `grade` is a number, and not so in 1 document (first AMD_2019.txt: 'good'); "
        "equality finds them all the same"
    ]
    assert object_of(run(*words))["notes"] == []  # nothing was written that has it
    reader = EmbeddedRetriever(Path(".rlm-search/index"))
    assert [found.source for found in reader.scan(filters={"grade": "good"})] == ["AMD_2019.txt"]
    assert [found.source for found in reader.scan(filters={"grade": {"gte": 8}})] == ["Sun_2020.txt"]
    assert [found.source for found in reader.scan(filters={"when": {"lt": "2019-01-01"}})] == ["3M_2018.txt"]


NAMED = ParserOptions(id_field="meta.key", title_field="headline", text_fields=("lead", "story"))
RECORD = {"meta": {"key": 7}, "headline": "Storm", "lead": "Wind.", "story": "Much wind.", "year": 2018}


def test_named_fields_of_records_are_their_id_title_and_text(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(RECORD))
    (tmp_path / "a.json").write_text(json.dumps([RECORD, {"lead": "Only this."}]))
    (line,) = parse_jsonl(tmp_path / "a.jsonl", NAMED)
    first, second = parse_json(tmp_path / "a.json", NAMED)
    assert (line.record_id, line.title, line.text, line.metadata) == (
        "7",
        "Storm",
        "Wind.\n\nMuch wind.",
        {"year": 2018},
    )
    assert (first.record_id, first.text, second.text) == ("7", line.text, "Only this.")


def test_rows_of_a_table_are_documents_where_their_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('key,headline,story,year\n7,Storm,"Much, much wind.",2018\n8,Calm,None.,2019\n')
    options = ParserOptions(id_field="key", title_field="headline", text_fields=("story",))
    first, second = parse_csv(tmp_path / "a.csv", options)
    assert (first.record_id, first.title, first.text, first.media_type) == (
        "7",
        "Storm",
        "Much, much wind.",
        "text/csv",
    )
    assert second.metadata == {"year": "2019"}
    (whole,) = parse_csv(tmp_path / "a.csv")
    assert "Much, much wind." in whole.text
