"""How fast the embedded engine searches, beside bare tantivy and a bare numpy scan over the same rows in the same run.

    RLM_SEARCH_TEST_DATA=… python bench/search.py --sizes 20000,200000

Documents are synthesised: eight paragraphs of real ones recombined, digits drawn anew, each paragraph a chunk. Vectors
are drawn around a thousand centres (the speed of a scan does not depend on what they mean); `--embedder` adds the time
of embedding the query with the real one to semantic and hybrid search. Times are milliseconds a query, wall clock p50
and p95, and CPU of the whole process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tantivy

from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter
from retrievers.embedded.analysis import ANALYSERS
from retrievers.embedded.querying import QueryBuilder, take_apart
from retrievers.embedded.scan import nearest
from retrievers.embedded.units import Unit, units_of
from retrievers.types import Chunk, Document, IndexedDocument, Matrix, Vector

DIMENSIONS = 384
PARAGRAPHS = 8
TOP_K = 10
COMMIT_EVERY = 10_000  # chunks
MEASURED_WRITING = 500_000  # chunks; beyond, writing takes minutes and tells nothing new
FILTERS: dict[str, dict[str, Any]] = {"10 %": {"tenth": "t3"}, "1 %": {"hundredth": 42}}


@dataclass(frozen=True)
class Timing:
    """One operation over all queries: wall milliseconds and CPU milliseconds a query."""

    p50: float
    p95: float
    cpu: float

    def __str__(self) -> str:
        return f"p50 {self.p50:7.2f}  p95 {self.p95:7.2f}  cpu {self.cpu:7.2f} ms"


def timed(call: Callable[[Any], object], queries: Sequence[Any]) -> Timing:
    """Call once for each query; the first few calls warm up."""
    for query in queries[:20]:
        call(query)
    wall = []
    cpu = time.process_time()
    for query in queries:
        begin = time.perf_counter()
        call(query)
        wall.append(1e3 * (time.perf_counter() - begin))
    cpu = 1e3 * (time.process_time() - cpu) / len(queries)
    return Timing(float(np.percentile(wall, 50)), float(np.percentile(wall, 95)), cpu)


def paragraphs(data: Path) -> list[str]:
    """Real paragraphs of 300 to 1,500 characters."""
    found = []
    for name in ("scifact", "cranfield", "ottqa"):
        for line in (data / name / "corpus.jsonl").read_text(encoding="utf-8").splitlines():
            text = json.loads(line)["text"].strip()
            if len(text) > 300:
                found.append(text[:1500])
    return found


def documents(count: int, source: Sequence[str], seed: int) -> Iterator[IndexedDocument]:
    """`count` documents of recombined paragraphs."""
    draw = random.Random(seed)
    for number in range(count):
        parts = [re.sub(r"\d", lambda _: str(draw.randrange(10)), draw.choice(source)) for _ in range(PARAGRAPHS)]
        text = "\n\n".join(parts)
        starts = np.cumsum([0, *(len(part) + 2 for part in parts[:-1])]).tolist()
        doc_id = f"doc-{number:07d}"
        chunks = [
            Chunk(id=f"{doc_id}#c{i}", document_id=doc_id, ordinal=i, start=at, end=at + len(part), text=part)
            for i, (at, part) in enumerate(zip(starts, parts, strict=True))
        ]
        document = Document(
            id=doc_id,
            source=f"archive/{number % 97:02d}/{doc_id}.txt",
            title=" ".join(parts[0].split()[:8]),
            text=text,
            media_type="text/plain",
            content_hash=doc_id,
            language="en",
            metadata={"tenth": f"t{number % 10}", "hundredth": number % 100},
        )
        yield IndexedDocument(document=document, chunks=chunks)


class Vectors:
    """Vectors around a thousand centres."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._centres = self._rng.standard_normal((1000, DIMENSIONS)).astype(np.float32)

    def draw(self, count: int) -> Matrix:
        """Some unit vectors."""
        near = self._centres[self._rng.integers(0, len(self._centres), count)]
        drawn = near + 0.7 * self._rng.standard_normal((count, DIMENSIONS), dtype=np.float32)
        unit: Matrix = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        return unit


class DrawnEmbedder:
    """Looks a query's vector up; with an inner embedder it also embeds, so that its cost is part of the figure."""

    name = "drawn"
    dimensions = DIMENSIONS
    languages = None

    def __init__(self, queries: Sequence[str], vectors: Matrix, inner: Any) -> None:
        self._known = dict(zip(queries, vectors, strict=True))
        self._inner = inner

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        raise NotImplementedError

    def embed_query(self, text: str) -> Vector:
        if self._inner is not None:
            self._inner.embed_query(text)
        vector: Vector = self._known[text]
        return vector


class Bare:
    """tantivy as one would use it alone: the same rows and columns, written straight, with its own snippets."""

    def __init__(self, path: Path) -> None:
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("text_en", stored=True, tokenizer_name="en")
        for name in ("title", "headings", "name"):
            builder.add_text_field(name, stored=True, tokenizer_name="en")
        builder.add_text_field("tag", tokenizer_name="raw", index_option="basic")
        builder.add_text_field("doc_id", stored=True, tokenizer_name="raw", index_option="basic", fast=True)
        builder.add_unsigned_field("key", stored=True, indexed=True, fast=True)
        builder.add_float_field("hundredth", stored=True, fast=True)
        self.schema = builder.build()
        exists = path.exists()
        path.mkdir(exist_ok=True)
        self.index = tantivy.Index.open(str(path)) if exists else tantivy.Index(self.schema, str(path))
        self.index.register_tokenizer("en", ANALYSERS["en"].text_analyser())

    def write(self, indexed: Iterator[IndexedDocument]) -> None:
        """One row a unit."""
        writer = self.index.writer(128_000_000, 1)
        waiting = 0
        for number, each in enumerate(indexed):
            for unit in units_of(each.document, each.chunks):
                writer.add_document(self._row(number, each.document, unit))
            waiting += len(each.chunks)
            if waiting >= COMMIT_EVERY:
                writer.commit()
                waiting = 0
        writer.commit()
        writer.wait_merging_threads()
        self.index.reload()

    @staticmethod
    def _row(number: int, document: Document, unit: Unit) -> tantivy.Document:
        row = tantivy.Document()
        row.add_text("text_en", document.text[unit.start : unit.end])
        row.add_text("title", document.title)
        row.add_text("name", document.source)
        row.add_text("doc_id", document.id)
        for value in (document.id, document.source, document.title, "en", document.media_type):
            row.add_text("tag", value)
        row.add_text("tag", str(document.metadata["tenth"]))
        row.add_float("hundredth", float(str(document.metadata["hundredth"])))
        row.add_unsigned("key", number)
        return row

    def search(self, query: tantivy.Query) -> list[tuple[float, str | None, str]]:
        """The best rows with their stored text and a snippet."""
        searcher = self.index.searcher()
        snippets = tantivy.SnippetGenerator.create(searcher, query, self.schema, "text_en")
        found = []
        for score, address in searcher.search(query, TOP_K, count=False).hits:
            row = searcher.doc(address)
            found.append((score, row.get_first("text_en"), snippets.snippet_from_doc(row).fragment()))
        return found


def write_ours(path: Path, indexed: Iterator[IndexedDocument], vectors: Vectors | None) -> None:
    """Through the writer, flushed as ingestion does."""
    writer = EmbeddedWriter(path, embedder_name="drawn" if vectors else "", dimensions=DIMENSIONS if vectors else 0)
    waiting = 0
    for each in indexed:
        drawn = vectors.draw(len(each.chunks)) if vectors else None
        writer.replace([IndexedDocument(document=each.document, chunks=each.chunks, vectors=drawn)])
        waiting += len(each.chunks)
        if waiting >= COMMIT_EVERY:
            writer.flush()
            waiting = 0
    writer.close()


def cpu_of(call: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


MEMORY = """
import sys
from pathlib import Path
import numpy as np
from retrievers.embedded import EmbeddedRetriever
from retrievers.embedders.hashing import HashingEmbedder

def anonymous():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1e3

class Drawn(HashingEmbedder):
    name, dimensions = "drawn", 384
    def embed_query(self, text):
        return np.random.default_rng(len(text)).standard_normal(384).astype(np.float32)

before = anonymous()
retriever = EmbeddedRetriever(Path(sys.argv[1]), Drawn)
retriever.snapshot()
opened = anonymous()
for query in sys.stdin.read().splitlines():
    retriever.hybrid_search(query, filters={"tenth": "t3"})
    retriever.hybrid_search(query)
print(f"{before:.0f} MB with libraries, {opened:.0f} when open, {anonymous():.0f} after {sys.argv[2]} searches")
"""


def memory(index: Path, queries: Sequence[str]) -> str:
    """Anonymous memory of a process of its own that opens the index and searches."""
    asked = "\n".join(queries)
    command = [sys.executable, "-c", MEMORY, str(index), str(2 * len(queries))]
    return subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout.strip()


def bench_writing(folder: Path, count: int, source: Sequence[str]) -> None:
    """CPU of writing the text alone, beside bare tantivy; making the documents is taken off both."""
    bare = Bare(folder / "bare")
    if count * PARAGRAPHS > MEASURED_WRITING:
        bare.write(documents(count, source, 1))
        return
    making = cpu_of(lambda: sum(1 for _ in documents(count, source, 1)))
    ours = cpu_of(lambda: write_ours(folder / "text-only", documents(count, source, 1), None)) - making
    base = cpu_of(lambda: bare.write(documents(count, source, 1))) - making
    chunks = count * PARAGRAPHS
    print(f"  write, text only      {chunks / ours:9,.0f} chunks per CPU second; bare tantivy {chunks / base:,.0f}")
    print(f"    ratio of CPU: {ours / base:.3f} (at most 1.1)")
    shutil.rmtree(folder / "text-only")


def bench_words(retriever: EmbeddedRetriever, bare: Bare, queries: Sequence[str]) -> None:
    """Search by words, beside bare tantivy on the same parsed query."""
    searcher = bare.index.searcher()
    builder = QueryBuilder(bare.schema, searcher, {"en": 1})
    parsed = [builder.lexical(take_apart(query, ["en"])) for query in queries]
    base = timed(bare.search, parsed)
    ours = timed(lambda query: retriever.search(query, top_k=TOP_K), queries)
    print(f"  bare tantivy          {base}")
    print(f"  lexical               {ours}")
    print(f"    beyond bare: p50 {ours.p50 - base.p50:+.2f} ms, cpu {ours.cpu - base.cpu:+.2f} ms (at most +0.3)")
    for name, filters in FILTERS.items():
        print(f"  lexical, {name:5}        {timed(partial(retriever.search, filters=filters), queries)}")


def bench_meaning(retriever: EmbeddedRetriever, queries: Sequence[str], drawn: Matrix) -> None:
    """The scan itself beside a bare numpy one, and semantic and hybrid search with everything."""
    now = retriever.snapshot()
    block = 4096

    def bare(query: Vector) -> object:
        scores = np.empty(len(now.vectors), np.float32)
        for at in range(0, len(scores), block):
            rows = now.vectors.i8[at : at + block].astype(np.float32)
            scores[at : at + block] = np.vecdot(rows, query) * now.vectors.scale[at : at + block]
        return np.argpartition(scores, -TOP_K)[-TOP_K:]

    some = list(drawn[:50])
    base = timed(bare, some)
    ours = timed(lambda query: nearest(now.vectors, query, TOP_K, None), some)
    print(f"  bare numpy scan       {base}")
    print(f"  scan and exact order  {ours}")
    print(f"    ratio of CPU: {ours.cpu / base.cpu:.2f}; recall@10 {recall(now.vectors, some):.4f} (at least 0.99)")
    fewer = queries[:100]
    for name in ("vector_search", "hybrid_search"):
        call = getattr(retriever, name)
        print(f"  {name:21} {timed(call, fewer)}")
        for label, filters in FILTERS.items():
            print(f"  {name}, {label:5} {timed(partial(call, filters=filters), fewer)}")


def recall(vectors: Any, queries: Sequence[Vector]) -> float:
    """Share of the exact ten (float16 rows, all compared) that the engine finds."""
    best: list[set[int]] = [set() for _ in queries]
    scores = np.concatenate(
        [vectors.f16[at : at + 8192].astype(np.float32) @ np.stack(queries).T for at in range(0, len(vectors), 8192)]
    )
    for number, query in enumerate(queries):
        exact = set(np.argpartition(scores[:, number], -TOP_K)[-TOP_K:].tolist())
        best[number] = exact & set(nearest(vectors, query, TOP_K, None)[0].tolist())
    return sum(map(len, best)) / (TOP_K * len(queries))


def bench_size(chunks: int, source: Sequence[str], queries: Sequence[str], inner: Any, folder: Path) -> None:
    """Everything at one size."""
    print(f"\n{chunks:,} chunks")
    count = chunks // PARAGRAPHS
    bench_writing(folder, count, source)
    vectors = Vectors(7)
    write_ours(folder / "index", documents(count, source, 1), vectors)
    drawn = vectors.draw(len(queries))
    bare = Bare(folder / "bare")
    begin = time.perf_counter()
    retriever = EmbeddedRetriever(folder / "index", lambda: DrawnEmbedder(queries, drawn, inner))
    retriever.snapshot()
    print(f"  open                  {1e3 * (time.perf_counter() - begin):.1f} ms")
    bench_words(retriever, bare, queries)
    bench_meaning(retriever, queries, drawn)
    ids = [f"doc-{number:07d}" for number in random.Random(3).sample(range(count), min(count, 200))]
    print(f"  get                   {timed(retriever.get, ids)}")
    print(f"  describe              {timed(lambda _: retriever.describe(), range(3))}")
    print(f"  count of a word       {timed(retriever.count, ['protein', 'cells', 'wing'])}")
    print(f"  facets                {timed(retriever.facets, ['tenth', 'hundredth'])}")
    print(f"  anonymous memory      {memory(folder / 'index', queries[:50])}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", default="20000,200000", help="chunks, separated by commas")
    parser.add_argument("--embedder", default="", help="embed the query as well: minilm")
    parser.add_argument("--folder", type=Path, default=None, help="where the indexes are made; needs 4 kB a chunk")
    options = parser.parse_args()
    data = os.environ.get("RLM_SEARCH_TEST_DATA")
    if not data:
        raise SystemExit("set RLM_SEARCH_TEST_DATA to the folder of the retrieval sets")
    source = paragraphs(Path(data))
    lines = (Path(data) / "scifact" / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    queries = list(dict.fromkeys(json.loads(line)["text"] for line in lines))[:400]
    inner = None
    if options.embedder:
        from retrievers.registry import open_embedder

        inner = open_embedder(options.embedder)
    for size in options.sizes.split(","):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            bench_size(int(size), source, queries, inner, Path(folder))


if __name__ == "__main__":
    main()
