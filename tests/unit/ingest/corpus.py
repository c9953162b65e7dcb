"""Files in a folder, a journal beside them, and an index in memory that outlives crashes."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

from ingest import sources
from ingest.journal import Journal
from ingest.pipeline import IngestRun
from ingest.readers import Reader
from ingest.report import Tally
from ingest.testing import InlinePool, MemoryWriter
from ingest.writing import Batching
from retrievers.protocols import Embedder
from retrievers.types import IndexedDocument

_clock = itertools.count(1_000_000_000)


class Corpus:
    """A folder of files, its journal, and the index that survives crashes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "files"
        self.journal_path = folder / "journal.db"
        self.durable: dict[str, IndexedDocument] = {}
        self.pool = InlinePool()

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        os.utime(path, ns=(0, next(_clock)))
        return path

    def ingest(
        self,
        *,
        embedder: Embedder | None = None,
        writer: MemoryWriter | None = None,
        reader: str = "v1",
        documents: int = 3,
        order: Callable[[list[object]], None] = lambda _: None,
    ) -> Tally:
        writer = writer or MemoryWriter(self.durable)
        found = list(sources.find([self.folder]))
        order(found)  # type: ignore[arg-type]  # shuffled in place, whatever it holds
        self.pool = InlinePool()
        with Journal(self.journal_path) as journal:
            is_known = not journal.is_new or not self.durable
            journal.begin_run("")
            run = IngestRun(
                writer=writer,
                journal=journal,
                pool=self.pool,
                reader=Reader(common=reader),
                embedder=embedder,
                batching=Batching(documents=documents, seconds=60.0),
                ask_index=not is_known,
            )
            return run.run(iter(found))

    def texts(self) -> dict[str, str]:
        return {id_: item.document.text for id_, item in self.durable.items()}

    def content(self) -> dict[str, object]:
        return {
            id_: (item.document, list(item.chunks), None if item.vectors is None else item.vectors.tolist())
            for id_, item in sorted(self.durable.items())
        }

    def states(self) -> dict[str, int]:
        with Journal(self.journal_path) as journal:
            return journal.files_by_state()


def mixed_files(corpus: Corpus) -> None:
    for number in range(6):
        corpus.write(f"{number}.txt", f"text {number // 2}\nmore")
    corpus.write("empty.txt", "")
    corpus.write("broken.txt", "FAIL")
    corpus.write("records.lines", "1 first\n2 second\nx third\n1 again")
    corpus.write("more.lines", "1 first\n2 otherwise\ny fourth")
