"""Does search find the right document and the right page? Judged on public sets, beside bm25s in the same run.

Drives what a user drives: the `ingest` command to make an index, and `retrievers.open_retriever` to ask it.

    RLM_SEARCH_TEST_DATA=… python -m bench.quality --index-root /tmp/quality
    RLM_SEARCH_TEST_DATA=… python -m bench.quality --sets scifact,financebench --limit-queries 100 --json
    RLM_SEARCH_TEST_DATA=… python -m bench.quality --sets scifact --on opensearch://localhost:9200

A document's rank is that of its first result. Expected: hybrid within 0.005 of the better of its legs on every set; on
a server, to which `--on` copies the index, nDCG@10 within 0.01 of the embedded engine, and of the first ten documents
by words .8 and by meaning .9 the same.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import TypeAlias

from bench.beir import Record, RetrievalSet, data_folder, judge, load, reciprocal_rank
from retrievers.copying import copy
from retrievers.embedders.recorded import RecordedEmbedder
from retrievers.errors import IndexMissing
from retrievers.protocols import Counts, Exports, RetrieverProtocol
from retrievers.registry import open_retriever, open_writer
from retrievers.settings import Settings
from retrievers.types import Hit

SETS = ("scifact", "cranfield", "hotpotqa-100", "xquad-ir", "pubmedqa", "financebench", "ottqa")
MODES = ("lexical", "semantic", "hybrid")
TOLERANCE = 0.005
SERVER_TOLERANCE = 0.01
PATIENCE = 600  # seconds for one request to a server on a busy machine
BESIDE, SHARED = "beside here", "overlap@10"
EXPECTED = {
    ("scifact", "hybrid", "ndcg@10"): 0.735,
    ("cranfield", "hybrid", "ndcg@10"): 0.405,
    ("hotpotqa-100", "hybrid", "ndcg@10"): 0.83,
    ("xquad-ir/zh", "lexical", "ndcg@10"): 0.6,
    ("financebench", "hybrid", "page hit@10"): 0.65,
}
"""What must be reached."""

HEADLINE = {"financebench": "page hit@10"}
"""The measure that compares hybrid with its legs; nDCG@10 elsewhere."""

_RESULTS = 400  # enough for a hundred documents where several chunks of one are found

Rankings: TypeAlias = Mapping[str, Sequence[str]]
"""Query to documents, best first."""

Figures: TypeAlias = dict[str, dict[str, float]]
"""Way of searching (or base) to measure to value."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sets", default=",".join(SETS), help="comma-separated; default: all")
    parser.add_argument("--limit-queries", type=int, help="only the first of each set")
    parser.add_argument("--index-root", type=Path, help="folder where indexes are kept between runs")
    parser.add_argument("--embedder", default="", help="for new indexes")
    parser.add_argument("--no-base", action="store_true", help="without bm25s")
    parser.add_argument("--on", action="append", default=[], metavar="URL", help="a server to copy each index to")
    parser.add_argument("--fusion", default="ours", help="who mixes on the server: ours, server, server-rrf")
    parser.add_argument("--data", type=Path, help="folder of the sets, in place of RLM_SEARCH_TEST_DATA")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    arguments = parser.parse_args()
    missing = [] if arguments.no_base else [name for name in ("bm25s", "Stemmer") if find_spec(name) is None]
    if missing:  # said now, and not after the first set was embedded
        raise SystemExit(f"{missing[0]} is missing: pip install '.[bench]', or leave the base out: --no-base")
    data = arguments.data or data_folder()
    results: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.index_root or Path(temporary)
        for name in arguments.sets.split(","):
            source = data / name / ("pdfs" if name == "financebench" else "corpus.jsonl")
            retriever = open_retriever(indexed(source, root / name, arguments.embedder))
            if name == "financebench":
                found = {name: pages_of_reports(retriever, data / name / "questions.jsonl", arguments.limit_queries)}
            else:
                chosen = load(data / name, limit_queries=arguments.limit_queries)
                rankings = all_ways(retriever, chosen.queries)
                found = documents(rankings, chosen, with_base=not arguments.no_base)
                for server in arguments.on:
                    there = copied(retriever, f"{server.rstrip('/')}/bench-{name.lower()}", arguments.fusion)
                    found[f"{name}, {server.partition(':')[0]}"] = beside(
                        rankings, all_ways(there, chosen.queries), chosen
                    )
            results |= found
            if not arguments.json:
                for part, figures in found.items():
                    show(part, figures)
    short = shortfalls(results)
    if arguments.json:
        print(json.dumps({"figures": results, "shortfalls": short}, indent=2))
    else:
        print("\n".join(short) or "everything expected is reached")


def indexed(source: Path, index: Path, embedder: str) -> Path:
    """The index of a corpus, made by the `ingest` command where it is not there; running it again changes nothing."""
    command = [
        sys.executable,
        "-c",
        "from ingest.cli import main; main()",
        str(source),
        "--index",
        str(index),
        "--json",
    ]
    if embedder:
        command += ["--embedder", embedder]
    started = time.perf_counter()
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if finished.returncode not in (0, 4):
        raise SystemExit(f"ingest of {source} ended with {finished.returncode}: {finished.stdout}")
    print(f"{source.parent.name}: indexed in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return index


def documents(here: Mapping[str, Rankings], chosen: RetrievalSet, *, with_base: bool) -> dict[str, Figures]:
    """All ways of searching, judged by documents; for a set in several languages each language by itself too."""
    rankings = dict(here)
    if with_base:
        rankings["bm25s"] = bm25s_rankings(chosen.records(), chosen.queries)
    languages = sorted({record.language for record in chosen.records()} - {""})
    parts: dict[str, Callable[[str], bool]] = {chosen.name: lambda query: True}
    for language in languages:
        parts[f"{chosen.name}/{language}"] = lambda query, prefix=f"{language}-": query.startswith(prefix)  # type: ignore[misc]  # a default argument binds the loop's value
    return {
        part: {
            way: judge({query: ranking for query, ranking in found.items() if belongs(query)}, chosen.judgements)
            for way, found in rankings.items()
        }
        for part, belongs in parts.items()
    }


def all_ways(retriever: RetrieverProtocol, queries: Mapping[str, str]) -> dict[str, Rankings]:
    """What each way of searching finds."""
    return {mode: ranked(searching(retriever, mode), queries) for mode in MODES}


def beside(here: Mapping[str, Rankings], there: Mapping[str, Rankings], chosen: RetrievalSet) -> Figures:
    """The same index on a server: judged, and how many of the first ten documents the embedded engine finds, too."""
    figures: Figures = {}
    for mode, rankings in there.items():
        found, ours = judge(rankings, chosen.judgements), judge(here[mode], chosen.judgements)
        figures[mode] = {**found, BESIDE: found["ndcg@10"] - ours["ndcg@10"], SHARED: overlap(here[mode], rankings)}
    return figures


def copied(here: RetrieverProtocol, url: str, fusion: str) -> RetrieverProtocol:
    """The index on a server, copied there where it does not hold as many documents."""
    settings = Settings.of({"server": {"fusion": fusion, "timeout_seconds": PATIENCE}})
    assert isinstance(here, Exports)
    assert isinstance(here, Counts)
    try:
        there = open_retriever(url, settings=settings)
        if isinstance(there, Counts) and there.count() == here.count():
            return there
    except IndexMissing:
        pass
    name, dimensions = here.embedder()
    started = time.perf_counter()
    writer = open_writer(url, embedder=RecordedEmbedder(name=name, dimensions=dimensions), settings=settings)
    moved = copy(here, writer)
    writer.close()
    print(f"{url}: {moved.vectors:,} chunks copied in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return open_retriever(url, settings=settings)


def overlap(ours: Rankings, theirs: Rankings, k: int = 10) -> float:
    """The share of our first k documents that stand among theirs, averaged over the queries that find any."""
    firsts = {query: {*ranking[:k]} for query, ranking in ours.items() if ranking}
    return fmean(len(first & {*theirs[query][:k]}) / len(first) for query, first in firsts.items())


def searching(retriever: RetrieverProtocol, mode: str) -> Callable[[str, int], Sequence[Hit]]:
    method = {
        "lexical": retriever.search,
        "semantic": retriever.vector_search,
        "hybrid": retriever.hybrid_search,
    }[mode]
    return lambda query, top_k: method(query, top_k=top_k)


def ranked(search: Callable[[str, int], Sequence[Hit]], queries: Mapping[str, str]) -> dict[str, list[str]]:
    return {query: first_of_each(search(text, _RESULTS)) for query, text in queries.items()}


def first_of_each(hits: Iterable[Hit]) -> list[str]:
    return list(dict.fromkeys(hit.doc_id for hit in hits))


def bm25s_rankings(records: Sequence[Record], queries: Mapping[str, str]) -> dict[str, list[str]]:
    """The base: bm25s with its own tokenizer (words of two letters and more), English stop words, Snowball stemmer."""
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("english")
    options = {"stopwords": "en", "stemmer": stemmer, "show_progress": False}
    index = bm25s.BM25()
    index.index(bm25s.tokenize([f"{r.title} {r.text}" for r in records], **options), show_progress=False)
    tokens = bm25s.tokenize(list(queries.values()), **options)
    rows, _ = index.retrieve(tokens, k=min(100, len(records)), show_progress=False)
    return {query: [records[row].id for row in found] for query, found in zip(queries, rows, strict=True)}


def pages_of_reports(retriever: RetrieverProtocol, questions: Path, limit: int | None) -> Figures:
    """Does one of the first ten results stand on a page that holds the evidence, in the right report?"""
    rows = [json.loads(line) for line in questions.read_text(encoding="utf-8").splitlines()][:limit]
    wanted = {row["_id"]: {(evidence["doc"], evidence["page0"] + 1) for evidence in row["evidence"]} for row in rows}
    figures: Figures = {}
    for mode in MODES:
        search = searching(retriever, mode)
        found = {row["_id"]: [place(hit) for hit in search(row["text"], 10)] for row in rows}
        on_page = {query: [at in wanted[query] for at in places] for query, places in found.items()}
        reports = {query: {report for report, _ in places} for query, places in wanted.items()}
        in_report = {query: [report in reports[query] for report, _ in places] for query, places in found.items()}
        figures[mode] = {
            "page hit@10": fmean(any(hits) for hits in on_page.values()),
            "document hit@10": fmean(any(hits) for hits in in_report.values()),
            "page MRR": fmean(reciprocal_rank(hits) for hits in on_page.values()),
        }
    return figures


def place(hit: Hit) -> tuple[str, int]:
    """The report and the page of a result: the page where its best passage begins."""
    return Path(hit.source).stem, hit.pages[0] if hit.pages else 0


def shortfalls(results: Mapping[str, Figures]) -> list[str]:
    """What is expected and not reached, one line each."""
    lines = [
        f"{part} {way} {measure}: {results[part][way][measure]:.3f}, expected {least}"
        for (part, way, measure), least in EXPECTED.items()
        if part in results and results[part][way][measure] < least
    ]
    for part, figures in results.items():
        measure = HEADLINE.get(part, "ndcg@10")
        best = max(figures["lexical"][measure], figures["semantic"][measure])
        if figures["hybrid"][measure] < best - TOLERANCE:
            lines.append(f"{part} hybrid {measure}: {figures['hybrid'][measure]:.3f}, its better leg {best:.3f}")
    for part, figures in results.items():
        for mode, least in (("lexical", 0.8), ("semantic", 0.9)):
            if figures[mode].get(SHARED, 1.0) < least:
                lines.append(f"{part} {mode} overlap@10: {figures[mode][SHARED]:.3f}, expected {least}")
        lines += [
            f"{part} {mode} ndcg@10: {figures[mode][BESIDE]:+.3f} beside the embedded engine"
            for mode in MODES
            if abs(figures[mode].get(BESIDE, 0.0)) > SERVER_TOLERANCE
        ]
    if "ottqa" in results and "bm25s" in results["ottqa"]:
        ours, base = (results["ottqa"][way]["all-gold@100"] for way in ("hybrid", "bm25s"))
        if ours <= base:
            lines.append(f"ottqa hybrid all-gold@100: {ours:.3f}, bm25s {base:.3f}")
    return lines


def show(part: str, figures: Figures) -> None:
    measures = list(next(iter(figures.values())))
    print(f"{part:<18}" + "".join(f"{measure:>16}" for measure in measures))
    for way, values in figures.items():
        print(f"  {way:<16}" + "".join(f"{values[measure]:>16.3f}" for measure in measures), flush=True)


if __name__ == "__main__":
    main()
