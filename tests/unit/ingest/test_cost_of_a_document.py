"""What a document costs does not grow with the index: no statement that runs for each of them walks a table."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ingest.database import Database
from retrievers.embedders.hashing import HashingEmbedder
from tests.unit.ingest.corpus import Corpus

DOCUMENTS = 40


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the journal runs each statement."""
    counted: Counter[str] = Counter()
    execute = Database.execute

    def counting(database: Database, sql: str, arguments: Sequence[Any] = ()) -> sqlite3.Cursor:
        counted[sql] += 1
        return execute(database, sql, arguments)

    monkeypatch.setattr(Database, "execute", counting)
    return counted


def test_statements_that_run_for_each_document_find_it_by_an_index(tmp_path: Path, statements: Counter[str]) -> None:
    corpus = Corpus(tmp_path)
    for number in range(DOCUMENTS):
        corpus.write(f"{number}.txt", f"text {number}")
    corpus.ingest(embedder=HashingEmbedder())
    frequent = [sql for sql, times in statements.items() if times >= DOCUMENTS // 2]

    walks = {sql: walk for sql in frequent if (walk := walked(corpus.journal_path, sql))}

    assert len(frequent) > 5
    assert walks == {}


def walked(journal: Path, sql: str) -> list[str]:
    """The steps of SQLite's plan for it that look at a whole table, or at all files in one state."""
    with closing(sqlite3.connect(journal)) as database:
        given = 1 if "?1" in sql else sql.count("?")
        steps = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", [b""] * given)]
    return [step for step in steps if ("SCAN" in step and "CONSTANT" not in step) or "files_by_state" in step]
