"""A small mixed archive, a command on it, and everything that its index holds."""

from __future__ import annotations

import csv
import io
import json
import mailbox
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from pathlib import Path

from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter, embedder_of
from retrievers.embedders.hashing import HashingEmbedder

WORDS = [
    *("harbour", "ferry", "crane", "tide", "ledger", "pilot", "anchor", "signal"),
    *("cargo", "lantern", "rope", "compass", "chart", "dock", "storm", "engine"),
]
QUERIES = ("harbour crane", "the ledger of the pilot", "storm at night", "cargo 17", "mail about the ferry")


def make_archive(folder: Path, *, files: int = 12) -> Path:
    """Every light format, one content twice, an empty file, broken ones, and one that no parser reads."""
    folder.mkdir(parents=True)
    for number in range(files):
        text = "\n\n".join(_sentence(number * 100 + line) for line in range(30))
        (folder / f"note{number:02}.txt").write_text(text, encoding="utf-8")
        (folder / f"page{number:02}.html").write_text(
            f"<title>Page {number}</title><h1>{_sentence(number)}</h1><p>{_sentence(number + 7)}</p>", encoding="utf-8"
        )
    (folder / "sub").mkdir()
    (folder / "sub" / "copy.txt").write_bytes((folder / "note03.txt").read_bytes())
    (folder / "sub" / "readme.md").write_text("# Harbour\n\nThe crane.\n\n## Tide\n\nThe ledger.\n", encoding="utf-8")
    (folder / "empty.txt").write_text("")
    (folder / "broken.json").write_text('{"a": ')
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 no more than this")
    (folder / "unknown.xyz").write_bytes(b"\0\1\2")
    (folder / "records.jsonl").write_text(
        "".join(
            json.dumps({"_id": f"r{number}", "title": f"Record {number}", "text": _sentence(number), "year": 2000})
            + "\n"
            for number in range(60)
        ),
        encoding="utf-8",
    )
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["name", "tons"], *[[word, number] for number, word in enumerate(WORDS)]])
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "About the ferry", "a@example.org", "b@example.org"
    mail.set_content("The ferry is late.\n")
    (folder / "mail.eml").write_bytes(mail.as_bytes())
    return folder


def make_mixed_archive(folder: Path) -> Path:
    """The same with what is made of many: archives in archives, a mail box, attachments, PDF and Word files."""
    make_archive(folder)
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        for number in range(5):
            archive.writestr(f"inner{number}.txt", _sentence(number + 900))
    with zipfile.ZipFile(folder / "packed.zip", "w") as archive:
        for number in range(20):
            archive.writestr(f"folder/member{number:02}.txt", _sentence(number + 500))
        archive.writestr("broken.json", '{"a": ')
        archive.writestr("inner.zip", inner.getvalue())
    box = mailbox.mbox(folder / "box.mbox")
    for number in range(8):
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = f"Mail {number}", "a@example.org", "b@example.org"
        mail.set_content(_sentence(number + 700))
        mail.add_attachment(_sentence(number + 800), filename="attached.txt")
        box.add(mail)
    box.close()
    examples = Path(__file__).parents[3] / "examples" / "archive"
    for path in sorted(path for path in examples.rglob("*") if path.suffix in (".pdf", ".docx"))[:12]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def _sentence(seed: int) -> str:
    words = [WORDS[(seed * 7 + step * (seed % 5 + 3)) % len(WORDS)] for step in range(9)]
    return f"The {' '.join(words)} {seed}."


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of a command that keeps its state under `home`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RLM_SEARCH_")}
    return {**kept, "RLM_SEARCH_HOME": str(home), **more}


def command(*arguments: str | Path) -> list[str]:
    """`ingest` with these arguments, in this interpreter."""
    return [sys.executable, "-m", "ingest", *map(str, arguments)]


def ingest(
    home: Path,
    *arguments: str | Path,
    code: int | None = 0,
    more: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run `ingest` to its end; fails the test where it ends with another code."""
    done = subprocess.run(
        command(*arguments),
        env=environment(home, **(more or {})),
        cwd=cwd or home,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert code is None or done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done


def content(index: Path) -> dict[str, object]:
    """All that an index holds, in a form that can be compared: documents, chunks, and what is found by meaning."""
    retriever = EmbeddedRetriever(index, embedder=HashingEmbedder)
    ids = [summary.doc_id for summary in retriever.scan()]
    described = retriever.describe()
    found: dict[str, Sequence[object]] = {}
    if described.vectors:
        for query in QUERIES:
            hits = retriever.vector_search(query, top_k=10_000)
            found[query] = sorted((round(hit.score, 5), hit.doc_id, hit.chunk_id, hit.start) for hit in hits)
    embedder = HashingEmbedder() if embedder_of(index) else None
    writer = EmbeddedWriter(
        index, embedder_name=embedder.name if embedder else "", dimensions=embedder.dimensions if embedder else 0
    )
    documents = {id_: writer.chunks_of(id_) for id_ in ids}
    missing = sorted(writer.missing_vectors())
    writer.close()
    return {
        "documents": documents,
        "found": found,
        "missing": missing,
        "counts": (described.documents, described.chunks, described.vectors),
    }
