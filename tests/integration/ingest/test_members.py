"""Files inside files end to end: each is a document, or a failure of its own, whatever becomes of the others."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from ingest.sources import find
from ingest.types import Failure, Limits, ParsedFile, SourceFile
from ingest.workers import WorkerPool
from retrievers.embedded import EmbeddedRetriever
from retrievers.types import Document
from tests.integration.ingest.corpus import ingest
from tests.unit.ingest.parsers import papers

pytestmark = pytest.mark.integration

LIMITS = Limits(cpu_seconds=3, memory_bytes=256 << 20)


def a_zip(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def report_of(home: Path, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    done = ingest(home, *arguments, "--index", "i", "--embedder", "none", "--json", code=code)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def failures_of(home: Path) -> dict[str, str]:
    return {failure["source"]: failure["kind"] for failure in listed(home)}


def listed(home: Path) -> list[dict[str, Any]]:
    failures: list[dict[str, Any]] = json.loads(ingest(home, "failures", "--index", "i", "--json").stdout)["failures"]
    return failures


def documents_of(home: Path) -> dict[str, Document]:
    """By each of their sources."""
    documents = [item.document for item in EmbeddedRetriever(home / "i").export()]
    return {source: document for document in documents for source in document.sources}


def test_a_member_that_kills_its_process_costs_that_member_alone(tmp_path: Path) -> None:
    inner = a_zip({"c.txt": b"see", "spin.txt": b"x", "d.txt": b"dee"})
    members = {"a.txt": b"ay", "crash.txt": b"x", "b.txt": b"bee", "inner.zip": inner, "eat.txt": b"x", "e.txt": b"ee"}
    (tmp_path / "o.zip").write_bytes(a_zip(members))
    files = [file for file in find([tmp_path]) if isinstance(file, SourceFile)]

    with WorkerPool(1, task="tests.integration.ingest.members:reader", limits=LIMITS) as pool:
        outcomes = list(pool.run(files))

    parts = [outcome for outcome in outcomes if isinstance(outcome, ParsedFile)]
    assert len(parts) == len(outcomes)
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
    read = [item.document.source for part in parts for item in part.documents]
    assert read == [
        "o.zip!/a.txt",
        "o.zip!/b.txt",
        "o.zip!/inner.zip!/c.txt",
        "o.zip!/inner.zip!/d.txt",
        "o.zip!/e.txt",
    ]
    assert {failure.source: failure.kind for part in parts for failure in part.failures} == {
        "o.zip!/crash.txt": "crashed",
        "o.zip!/inner.zip!/spin.txt": "timeout",
        "o.zip!/eat.txt": "memory",
    }


def test_an_archive_of_killers_is_given_up(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "o.zip", "w") as archive:
        for number in range(30):
            archive.writestr(f"{number}/crash.txt", b"x")
    files = [file for file in find([tmp_path]) if isinstance(file, SourceFile)]

    with WorkerPool(1, task="tests.integration.ingest.members:reader", limits=LIMITS) as pool:
        outcomes = list(pool.run(files))

    assert sum(len(outcome.failures) for outcome in outcomes if isinstance(outcome, ParsedFile)) == 20
    assert isinstance(outcomes[-1], Failure)
    assert (outcomes[-1].source, outcomes[-1].kind) == ("o.zip", "crashed")


def test_members_are_documents_and_failures_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    inner = a_zip({"deep.txt": b"The crane is deep inside.", "bad.pdf": b"%PDF-1.4 nonsense", "p.exe": b"MZ\0\1\2\3"})
    mail = EmailMessage()
    mail["Subject"] = "The reports"
    mail.set_content("See the attached archive.")
    mail.add_attachment(inner, maintype="application", subtype="zip", filename="all.zip")
    (folder / "m.eml").write_bytes(mail.as_bytes())
    (folder / "beside.txt").write_bytes(b"The crane is deep inside.")

    report = report_of(tmp_path, folder, code=4)

    assert report["files"]["read"] == 2
    assert report["members"] == {"documents": 1, "unsupported": 1, "failed": 1, "left_out": 0}
    assert report["formats"]["txt"]["documents"] == 2
    assert failures_of(tmp_path) == {"m.eml!/all.zip!/bad.pdf": "broken"}
    assert report["holds"]["documents"] == 2

    again = report_of(tmp_path, "retry", code=4)
    assert again["files"]["read"] == 1
    assert [failure["attempts"] for failure in listed(tmp_path)] == [2]

    (folder / "m.eml").write_bytes(b"Subject: nothing attached\n\nJust words.\n")
    last = report_of(tmp_path, folder)
    assert last["failures"] == []
    assert last["holds"]["documents"] == 2


def test_bombs_are_refused_and_what_lies_beside_them_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "z.zip").write_bytes(a_zip({"bomb.txt": bytes(64 << 20), "good.txt": b"good words"}))
    with tarfile.open(folder / "t.tar", "w") as archive:
        hole = tarfile.TarInfo("hole.txt")
        hole.size = 8 << 40
        archive.fileobj.write(hole.tobuf(tarfile.GNU_FORMAT))
    deep = b"the bottom"
    for level in range(9):
        deep = a_zip({f"{level}.zip" if level else "bottom.txt": deep})
    (folder / "deep.zip").write_bytes(deep)

    report_of(tmp_path, folder, code=4)

    kinds = failures_of(tmp_path)
    assert kinds["z.zip!/bomb.txt"] == "too-large"
    assert kinds["t.tar!/hole.txt"] == "too-large"
    assert [kind for source, kind in kinds.items() if source.startswith("deep.zip!/")] == ["too-large"]


def test_what_is_attached_to_a_pdf_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    paper = papers.with_attachment(papers.paper(["The tide tables."]), "list.txt", b"The crane is attached.")
    (folder / "all.zip").write_bytes(a_zip({"d/paper.pdf": paper}))

    report_of(tmp_path, folder)

    documents = documents_of(tmp_path)
    paper_document = documents["all.zip!/d/paper.pdf"]
    attached = documents["all.zip!/d/paper.pdf!/list.txt"]
    assert attached.metadata["parent"] == paper_document.id
    assert attached.metadata["container"] == "all.zip!/d/paper.pdf"
    assert paper_document.metadata["container"] == "all.zip"
    assert "parent" not in paper_document.metadata


def test_what_is_gone_from_an_archive_and_an_archive_that_is_gone_leave_the_index(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "o.zip").write_bytes(a_zip({"a.txt": b"The crane stays.", "b.txt": b"The ferry goes."}))
    (folder / "p.zip").write_bytes(a_zip({"c.txt": b"The pilot sleeps."}))
    (folder / "q.zip").write_bytes(a_zip({"d.txt": b"The anchor holds.", "e.txt": b"The lantern burns."}))
    report_of(tmp_path, folder)
    assert len(documents_of(tmp_path)) == 5

    (folder / "o.zip").write_bytes(a_zip({"a.txt": b"The crane stays.", "new.txt": b"The rope is new, and long."}))
    report_of(tmp_path, folder)
    kept = {"p.zip!/c.txt", "q.zip!/d.txt", "q.zip!/e.txt"}
    assert set(documents_of(tmp_path)) == {"o.zip!/a.txt", "o.zip!/new.txt", *kept}

    (folder / "p.zip").unlink()
    report_of(tmp_path, folder, "--sync")
    assert set(documents_of(tmp_path)) == {"o.zip!/a.txt", "o.zip!/new.txt", "q.zip!/d.txt", "q.zip!/e.txt"}

    ingest(tmp_path, "forget", folder / "q.zip", "--index", "i")
    assert set(documents_of(tmp_path)) == {"o.zip!/a.txt", "o.zip!/new.txt"}


ROWS: dict[str, dict[str, str | int]] = {
    "a.zip": {"owner": "port", "grade": "Z"},
    "dir/a.zip!/b.txt": {"grade": "B", "title": "Cranes"},
    "in/dir/a.zip!/sub/d.txt": {"grade": "D"},
    "a.zip!/inner.zip": {"grade": "I", "layer": 2},
    "a.zip!/inner.zip!/c.txt": {"grade": "C"},
    "a.zip!/r.jsonl": {"grade": "R"},
    "a.zip!/gone.txt": {"grade": "X"},
}


def test_rows_of_metadata_name_what_lies_in_archives_and_the_rest_has_the_row_of_the_archive(tmp_path: Path) -> None:
    (tmp_path / "in" / "dir").mkdir(parents=True)
    records = b'{"id": "r1", "text": "One bell."}\n{"id": "r2", "text": "Two bells."}\n'
    members = {"b.txt": b"The crane.", "sub/d.txt": b"The yard.", "e.txt": b"The quay.", "r.jsonl": records}
    inner = a_zip({"c.txt": b"The lock."})
    (tmp_path / "in" / "dir" / "a.zip").write_bytes(a_zip({**members, "inner.zip": inner}))
    (tmp_path / "in" / "b.txt").write_text("A crane beside it.")

    def run(rows: dict[str, dict[str, str | int]]) -> dict[str, Any]:
        lines = (json.dumps({"path": path, **row}) + "\n" for path, row in rows.items())
        (tmp_path / "m.jsonl").write_text("".join(lines))
        return report_of(tmp_path, "in", "--metadata", "m.jsonl")

    def given(name: str) -> dict[str, Any]:
        return {source: about.metadata.get(name) for source, about in documents_of(tmp_path).items()}

    grades = {
        "b.txt": None,
        "dir/a.zip!/b.txt": "B",
        "dir/a.zip!/sub/d.txt": "D",
        "dir/a.zip!/e.txt": "Z",
        "dir/a.zip!/r.jsonl#r1": "R",
        "dir/a.zip!/r.jsonl#r2": "R",
        "dir/a.zip!/inner.zip!/c.txt": "C",
    }
    first, second = run(ROWS), run(ROWS)
    assert given("grade") == grades
    assert given("owner") == {source: None if source == "b.txt" else "port" for source in grades}
    assert given("layer") == {source: 2 if "inner" in source else None for source in grades}
    assert documents_of(tmp_path)["dir/a.zip!/b.txt"].title == "Cranes"
    assert first["metadata"] == {
        "rows": 7,
        "unmatched_rows": 1,
        "unmatched_files": 1,
        "shared_rows": 0,
        "repeated_rows": 0,
        "examples": ["a.zip!/gone.txt"],
    }
    assert second["files"]["read"] == 0

    third = run({path: row for path, row in ROWS.items() if path != "a.zip"} | {"a.zip!/b.txt": {"grade": "A"}})
    assert (third["files"]["read"], third["metadata"]["unmatched_files"]) == (1, 1)
    assert given("grade") == {**grades, "dir/a.zip!/e.txt": None}  # a longer name of the same member goes before

    fourth = run({"a.zip!/b.txt": {"grade": "A"}})
    assert (fourth["files"]["read"], given("grade")["dir/a.zip!/b.txt"], given("grade")["b.txt"]) == (1, "A", None)
