"""The engines side by side on the same synthesised archive, and what our part of a server costs beside its own client.

    OPENSEARCH_URL=… ELASTICSEARCH_URL=… RLM_SEARCH_TEST_DATA=… python -m bench.engines --chunks 200000

Loading, disk, and p50 and p95 of each kind of search. On a server besides: rows written a second against the client
library's own parallel bulk of the same rows (expected: at least 0.9), a search against the same requests sent raw by
the client (expected: within 15 % or 1 ms), a hundred searches at once on one retriever, and memory while pages and
spans of a document of 20,000 pages are read. Both sides of a comparison take turns, so that other load on the machine
meets both.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.beir import data_folder
from bench.search import COMMIT_EVERY, DIMENSIONS, FILTERS, DrawnEmbedder, Timing, Vectors, documents, paragraphs, timed
from retrievers.embedders.recorded import RecordedEmbedder
from retrievers.protocols import Embedder, IndexWriter
from retrievers.registry import open_retriever, open_writer
from retrievers.servers.bulk import Bulk
from retrievers.servers.connecting import parse_url
from retrievers.servers.dialect import Dialect, Json
from retrievers.servers.mapping import mapping_of, settings_of
from retrievers.servers.opening import connect
from retrievers.servers.retriever import ServerRetriever
from retrievers.servers.rows import Row, routing_of, text_rows, vector_rows, whole_record
from retrievers.servers.versions import Versions
from retrievers.settings import Settings
from retrievers.testing import chunked, document
from retrievers.types import IndexedDocument, Matrix

ENGINES = ("embedded", "opensearch", "elasticsearch")
WAYS = ("search", "vector_search", "hybrid_search")
AT_ONCE = 100
PAGES = 20_000
PATIENT = Settings.of({"server": {"timeout_seconds": 600}})  # a busy machine is slow, and that is measured


@dataclass(frozen=True)
class Asked:
    """The queries, and an embedder that knows their vectors."""

    queries: Sequence[str]
    embedder: DrawnEmbedder


def indexed(count: int, source: Sequence[str], vectors: Vectors) -> Iterator[IndexedDocument]:
    """Documents with drawn vectors."""
    for each in documents(count, source, 1):
        drawn = vectors.draw(len(each.chunks))
        yield IndexedDocument(document=each.document, chunks=each.chunks, vectors=drawn)


def load(writer: IndexWriter, items: Iterator[IndexedDocument]) -> int:
    """Write all, flushed as ingestion does; returns the chunks."""
    waiting = written = 0
    for each in items:
        writer.replace([each])
        waiting += len(each.chunks)
        written += len(each.chunks)
        if waiting >= COMMIT_EVERY:
            writer.flush()
            waiting = 0
    writer.close()
    return written


def bench_engine(url: str, count: int, source: Sequence[str], asked: Asked, rounds: int) -> None:
    """Load, disk and searches of one engine."""
    recorded = RecordedEmbedder(name=asked.embedder.name, dimensions=DIMENSIONS)
    begin, cpu = time.perf_counter(), time.process_time()
    chunks = load(open_writer(url, embedder=recorded, settings=PATIENT), indexed(count, source, Vectors(7)))
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    print(f"  load                  {seconds:.0f} s, {chunks / seconds:,.0f} chunks/s; {cpu:.0f} CPU s on this side")
    print(f"  disk                  {disk(url) / 1e6:,.0f} MB")
    retriever = open_retriever(url, embedder=lambda: embedder_of(asked), settings=PATIENT)
    for name in WAYS:
        call = getattr(retriever, name)
        print(f"  {name:21} {timed(call, asked.queries[:rounds])}")
        print(f"  {name + ', 10 %':21} {timed(partial(call, filters=FILTERS['10 %']), asked.queries[:rounds])}")
    ids = [f"doc-{number:07d}" for number in range(0, count, max(count // 100, 1))]
    print(f"  get                   {timed(retriever.get, ids)}")


def embedder_of(asked: Asked) -> Embedder:
    return asked.embedder


def disk(url: str) -> float:
    """Bytes of an index."""
    if "://" not in url:
        return sum(file.stat().st_size for file in Path(url).rglob("*") if file.is_file())
    address = parse_url(url)
    dialect = connect(replace(address, timeout_seconds=600))
    found = dialect.request("GET", f"/{address.index}/_stats/store")
    dialect.close()
    return float(found["_all"]["primaries"]["store"]["size_in_bytes"])


# --- beside the client ----------------------------------------------------------------------------------------------


class Listening:
    """A server that is asked through us: what was sent is remembered."""

    def __init__(self, inner: Dialect) -> None:
        self._inner = inner
        self.sent: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def request(self, method: str, path: str, **given: Any) -> Json:
        self.sent.append((method, path, given))
        return self._inner.request(method, path, **given)


Raw = Callable[[str, str, Mapping[str, Any]], object]


def client_of(url: str) -> tuple[Any, Raw, Any]:
    """The client library by itself: the client, a raw request by it, and its helpers."""
    address = parse_url(url)
    host, port = address.hosts[0]
    node = f"http://{host}:{port or 9200}"
    if address.engine == "opensearch":
        import opensearchpy

        client: Any = opensearchpy.OpenSearch(hosts=[node], pool_maxsize=16, timeout=600)

        def by_opensearch(method: str, path: str, given: Mapping[str, Any]) -> object:
            body = b"\n".join(given["lines"]) + b"\n" if "lines" in given else given.get("body")
            return client.transport.perform_request(method, path, params=given.get("params"), body=body)

        return client, by_opensearch, opensearchpy.helpers
    import elasticsearch
    import elasticsearch.helpers

    client = elasticsearch.Elasticsearch(node, request_timeout=600)

    def by_elasticsearch(method: str, path: str, given: Mapping[str, Any]) -> object:
        kind = "application/x-ndjson" if "lines" in given else "application/json"
        body = b"\n".join(given["lines"]) + b"\n" if "lines" in given else given.get("body")
        headers = {"accept": "application/json", "content-type": kind}
        return client.perform_request(method, path, params=given.get("params"), body=body, headers=headers)

    return client, by_elasticsearch, elasticsearch.helpers


def bench_latency(url: str, asked: Asked, rounds: int) -> None:
    """Each search and the requests that it sends, raw, which one first by turns; the server has met both before."""
    address = parse_url(url)
    listening: Any = Listening(connect(replace(address, timeout_seconds=600)))
    retriever = ServerRetriever(listening, address.index, embedder=lambda _: asked.embedder)
    _, raw, _ = client_of(url)
    for name in WAYS:
        call = getattr(retriever, name)
        ours: list[tuple[float, float]] = []
        theirs: list[tuple[float, float]] = []
        for number, query in enumerate(asked.queries[: rounds + 10]):
            listening.sent.clear()
            call(query)
            sent = [each for each in listening.sent if each[1].endswith(("_msearch", "_mget"))]
            turns = [(ours, partial(call, query)), (theirs, partial(each_of, raw, sent))]
            for times, turn in turns if number % 2 else reversed(turns):
                took = clocked(turn)
                if number >= 10:
                    times.append(took)
        (mine, cpu), (bare, bare_cpu) = np.median(ours, axis=0).tolist(), np.median(theirs, axis=0).tolist()
        print(f"  {name:21} p50 {mine:.2f} ms, raw {bare:.2f}: x {mine / bare:.2f} (at most x 1.15 or +1 ms)")
        told = f"{cpu:.2f} ms of CPU, raw {bare_cpu:.2f}: {cpu - bare_cpu:+.2f} ms; requests: {len(sent)}"
        print(f"    on this side        {told}")
    retriever.close()


def each_of(raw: Raw, requests: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
    """Some requests, one after the other."""
    for request in requests:
        raw(*request)


def clocked(call: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds of a call: of the clock, and of this process's CPU."""
    begin, cpu = time.perf_counter(), time.process_time()
    call()
    return 1e3 * (time.perf_counter() - begin), 1e3 * (time.process_time() - cpu)


def bench_at_once(url: str, asked: Asked) -> None:
    """Many threads, one retriever."""
    retriever = open_retriever(url, embedder=lambda: embedder_of(asked), settings=PATIENT)
    queries = list(islice(chain.from_iterable([asked.queries] * 10), 3 * AT_ONCE))
    begin = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(retriever.hybrid_search, queries))
    seconds = time.perf_counter() - begin
    print(f"  {AT_ONCE} at once           {len(found)} searches, no error, {len(found) / seconds:.0f} a second")


def bench_bulk(url: str, rows: Sequence[tuple[str, Row]], rounds: int) -> None:
    """The same rows through our bulk and through the client's own parallel one, by turns."""
    address = parse_url(url)
    dialect = connect(replace(address, timeout_seconds=600))
    client, _, helpers = client_of(url)
    index = f"{address.index}-bulk"

    def ours() -> None:
        bulk = Bulk(dialect, Versions.door(index))
        for doc_id, (name, row) in rows:
            bulk.add(doc_id, [({"index": {"_id": name, "routing": routing_of(doc_id)}}, row)])
        assert not bulk.settle().refused
        bulk.close()

    def theirs() -> None:
        actions = (
            {"_index": index, "_id": name, "routing": routing_of(doc_id), "_source": row}
            for doc_id, (name, row) in rows
        )
        for _ in helpers.parallel_bulk(client, actions, thread_count=4, chunk_size=500, queue_size=4):
            pass

    took: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(rounds):
        for name, write in (("theirs", theirs), ("ours", ours)):
            dialect.request("DELETE", f"/{index}")
            settings = settings_of(dialect, shards=1, replicas=0)
            settings["index"]["refresh_interval"] = "-1"
            mapping = mapping_of(dialect, embedder="drawn", dimensions=DIMENSIONS)
            body = {"settings": settings, "mappings": mapping, "aliases": {Versions.door(index): {}}}
            dialect.request("PUT", f"/{index}", body=body)
            begin = time.perf_counter()
            write()
            took[name].append(time.perf_counter() - begin)
    dialect.request("DELETE", f"/{index}")
    dialect.close()
    rates = {name: len(rows) / float(np.median(times)) for name, times in took.items()}
    ratio = rates["ours"] / rates["theirs"]
    told = f"{rates['ours']:,.0f} rows/s, the client's parallel bulk {rates['theirs']:,.0f}"
    print(f"  bulk                  {told}: x {ratio:.2f} (at least 0.9; {rounds} turns)")


def ready_made(count: int, source: Sequence[str]) -> list[tuple[str, Row]]:
    """Rows of documents with their vectors, as they go to a server."""
    rows: list[tuple[str, Row]] = []
    for each in indexed(count, source, Vectors(3)):
        made = list(text_rows(each.document, each.chunks))
        vectors: Matrix = each.vectors if each.vectors is not None else np.empty((0, 0), np.float32)
        made += vector_rows(made[-1][1], whole_record(each.document, each.chunks), vectors)
        rows += [(each.document.id, row) for row in made]
    return rows


def bench_memory(url: str) -> None:
    """Anonymous memory of this process while a document of very many pages is read."""
    text = "".join(f"Page {number:05d} of the log: the ferry came, and the fog was thick. " for number in range(PAGES))
    length = len(text) // PAGES
    item = replace(document("the-log", text), pages=tuple(range(0, len(text), length)))
    writer = open_writer(url, embedder=RecordedEmbedder(name="drawn", dimensions=DIMENSIONS), settings=PATIENT)
    writer.replace([IndexedDocument(document=item, chunks=chunked(item))])
    writer.close()
    reader: Any = open_retriever(url, embedder="none", settings=PATIENT)
    reader.read_pages("the-log", 1, 2)
    before = anonymous()
    draws = np.random.default_rng(1).integers(1, PAGES, 200).tolist()
    pages: Timing = timed(lambda page: reader.read_pages("the-log", page, page), draws)
    spans: Timing = timed(lambda page: reader.read("the-log", page * length, page * length + 900), draws)
    print(f"  a page of {PAGES:,}      {pages}")
    print(f"  a span of it          {spans}")
    print(f"  anonymous memory      {before:.0f} MB, after 400 reads {anonymous():.0f}")


def anonymous() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1e3 for line in status.splitlines() if line.startswith("RssAnon"))


def server_url(engine: str) -> str:
    """The URL of the index that is made, "" where no server is named."""
    scheme, _, host = os.environ.get(f"{engine.upper()}_URL", "").partition("://")
    return f"{engine}+{scheme}://{host.rstrip('/')}/bench-engines" if host else ""


def remove(url: str) -> None:
    """Take away what was made on a server."""
    address = parse_url(url)
    dialect = connect(replace(address, timeout_seconds=600))
    for name in dialect.request("GET", f"/{address.index}*/_alias", params={"expand_wildcards": "all"}):
        dialect.request("DELETE", f"/{name}")
    dialect.close()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--chunks", type=int, default=20_000)
    parser.add_argument("--engines", default=",".join(ENGINES), help="comma-separated; default: all")
    parser.add_argument("--queries", type=int, default=100, help="of each kind of search")
    parser.add_argument("--bulk-documents", type=int, default=500, help="whose rows are written by turns")
    parser.add_argument("--rounds", type=int, default=3, help="turns of the bulks")
    options = parser.parse_args()
    data = data_folder()
    source = paragraphs(data)
    lines = (data / "scifact" / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    queries = list(dict.fromkeys(msgspec.json.decode(line)["text"] for line in lines))[:400]
    asked = Asked(queries, DrawnEmbedder(queries, Vectors(7).draw(len(queries)), None))
    for engine in options.engines.split(","):
        folder = tempfile.mkdtemp()
        url = f"{folder}/index" if engine == "embedded" else server_url(engine)
        print(f"\n{engine}, {options.chunks:,} chunks; load of the machine {os.getloadavg()[0]:.1f}", flush=True)
        if not url:
            print(f"  {engine.upper()}_URL is not set")
            continue
        try:
            if engine != "embedded":
                remove(url)
            bench_engine(url, options.chunks // 8, source, asked, options.queries)
            if engine != "embedded":
                bench_latency(url, asked, options.queries)
                bench_at_once(url, asked)
                bench_bulk(url, ready_made(options.bulk_documents, source), options.rounds)
            bench_memory(url)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if engine != "embedded":
                remove(url)


if __name__ == "__main__":
    main()
