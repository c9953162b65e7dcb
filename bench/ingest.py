"""The whole run of `ingest` beside its parts: parsing alone, the bare model loop, and memory at ten times the corpus.

(a) without vectors: time of parsing alone in the same worker processes, divided by that of the whole run;
(b) with vectors: the share of the wall clock that the embedder works, and its rate divided by that of a bare
    onnxruntime loop over the same texts in as many threads, by the wall clock and by CPU time;
(c) peak anonymous memory (RssAnon, summed over processes and of each) at ten times the corpus, divided by that of one.

    RLM_SEARCH_TEST_DATA=… python -m bench.ingest [--quick] [--part a|b|c] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.beir import data_folder, load
from bench.embed import bare, bare_session
from bench.processes import anonymous, below
from ingest import sources, stages
from ingest.journal import Journal
from ingest.pipeline import IngestRun
from ingest.readers import Reader
from ingest.settings import usable_cpus
from ingest.types import ParsedFile
from ingest.workers import WorkerPool
from retrievers.embedded import EmbeddedWriter
from retrievers.embedders.onnx import OnnxEmbedder
from retrievers.protocols import Embedder
from retrievers.types import Matrix

CPUS = usable_cpus()
SAMPLE_SECONDS = 0.03


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller corpus: about two minutes in all")
    parser.add_argument("--part", choices=["a", "b", "c"], help="only this one")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    arguments = parser.parse_args()
    parts: Mapping[str, Callable[[Path, bool], dict[str, float]]] = {"a": text_only, "b": with_vectors, "c": memory}
    found: dict[str, dict[str, float]] = {}
    for name, part in parts.items():
        if arguments.part in (None, name):
            with tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder:
                found[name] = part(Path(folder), arguments.quick)
            for key, value in found[name].items():
                print(f"({name}) {key:<42} {value:,.3f}", file=sys.stderr if arguments.json else sys.stdout, flush=True)
    if arguments.json:
        print(json.dumps(found))


def reports(folder: Path, count: int) -> Path:
    """Some of the financebench reports, the smaller ones first."""
    target = folder / "reports"
    target.mkdir()
    pdfs = sorted((data_folder() / "financebench" / "pdfs").glob("*.pdf"), key=lambda path: (path.stat().st_size, path))
    for pdf in pdfs[:count]:
        shutil.copy2(pdf, target)
    return target


# --- (a) -------------------------------------------------------------------------------------------------------------


def text_only(folder: Path, quick: bool) -> dict[str, float]:
    archive = reports(folder, 8 if quick else 31)
    alone, whole = Spent(), Spent()
    for number in range(2):  # the two take turns, so that the load of the machine cancels out
        alone.least(lambda: parse_alone(archive))
        index = folder / f"index{number}"
        whole.least(lambda index=index: run(archive, index, None))  # type: ignore[misc]  # mypy does not infer lambdas with defaults
    return {
        "parsing alone, seconds": alone.wall,
        "whole run without vectors, seconds": whole.wall,
        "ratio by the wall clock": alone.wall / whole.wall,
        "ratio by CPU time of all processes": alone.cpu / whole.cpu,
    }


@dataclass(slots=True)
class Spent:
    """The least time that any of several rounds took: on the clock, and of all processes together."""

    wall: float = float("inf")
    cpu: float = float("inf")

    def least(self, call: Callable[[], object]) -> None:
        before, cpu = time.perf_counter(), sum(os.times()[:4])
        call()
        self.wall = min(self.wall, time.perf_counter() - before)
        self.cpu = min(self.cpu, sum(os.times()[:4]) - cpu)


def parse_alone(archive: Path) -> int:
    with WorkerPool(CPUS) as pool:
        return sum(len(out.documents) for out in pool.run(files(archive)) if isinstance(out, ParsedFile))


def files(archive: Path) -> Iterator[Any]:
    return iter(sources.find([archive]))


def run(archive: Path, index: Path, embedder: Embedder | None) -> IngestRun:
    """What the command does, in this process."""
    writer = EmbeddedWriter(
        index, embedder_name=embedder.name if embedder else "", dimensions=embedder.dimensions if embedder else 0
    )
    with Journal(index / "journal.db") as journal, WorkerPool(CPUS) as pool:
        journal.begin_run("")
        ingest = IngestRun(
            writer=writer, journal=journal, pool=pool, reader=Reader(common=stages.version()), embedder=embedder
        )
        ingest.run(files(archive))
    writer.close()
    return ingest


# --- (b) -------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Recorded:
    """The default embedder, with the texts of each call kept and its time taken."""

    inner: OnnxEmbedder = field(default_factory=OnnxEmbedder)
    calls: list[Sequence[str]] = field(default_factory=list)
    seconds: float = 0.0

    name = OnnxEmbedder.name
    dimensions = OnnxEmbedder.dimensions
    languages = OnnxEmbedder.languages

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        started = time.perf_counter()
        vectors = self.inner.embed_documents(texts)
        self.seconds += time.perf_counter() - started
        self.calls.append(texts)
        return vectors

    def embed_query(self, text: str) -> Matrix:
        return self.inner.embed_query(text)


def with_vectors(folder: Path, quick: bool) -> dict[str, float]:
    archive = reports(folder, 2 if quick else 5)
    write_records(archive / "abstracts.jsonl", 2500 if quick else 8000)
    embedder = Recorded()
    started, own = time.perf_counter(), time.process_time()
    run(archive, folder / "index", embedder)
    wall, own = time.perf_counter() - started, time.process_time() - own
    session = bare_session()
    texts = [text for call in embedder.calls for text in call]
    bare(session, texts[:8])
    started, base = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(CPUS) as threads:
        for call in embedder.calls:
            list(threads.map(lambda text: bare(session, [text]), call))
    bare_seconds, base = time.perf_counter() - started, time.process_time() - base
    return {
        "chunks": len(texts),
        "whole run with vectors, seconds": wall,
        "the embedder's share of the wall clock": embedder.seconds / wall,
        "chunks per second in the run": len(texts) / embedder.seconds,
        "chunks per second, bare loop": len(texts) / bare_seconds,
        "ratio by the wall clock": bare_seconds / embedder.seconds,
        "chunks per CPU-second, all but the readers": len(texts) / own,
        "chunks per CPU-second, bare loop": len(texts) / base,
        "ratio by CPU time, index and all": base / own,
    }


def write_records(path: Path, count: int, *, seed: int = 0) -> None:
    """Records recombined from sentences of real abstracts, with other digits."""
    random_ = random.Random(seed)
    texts = [record.text for record in load(data_folder() / "scifact").records()][:2000]
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            sentences = [random_.choice(random_.choice(texts).split(". ")) for _ in range(8)]
            text = "".join(random_.choice("0123456789") if c.isdigit() else c for c in ". ".join(sentences))
            file.write(json.dumps({"_id": f"{path.stem}-{number}", "title": sentences[0][:60], "text": text}) + "\n")


# --- (c) -------------------------------------------------------------------------------------------------------------


def memory(folder: Path, quick: bool) -> dict[str, float]:
    """The command in a process of its own, with vectors that cost nothing: those of the model would take too long."""
    size = 1 if quick else 2  # even the smaller one fills the windows of the embedder and outlives a worker
    peaks = {}
    for factor in (1, 10):
        archive = synthetic(folder / f"archive{factor}", size * factor)
        peaks[factor] = peak_of(archive, folder / f"index{factor}")
    return {
        "1 x: MB, all processes": peaks[1].total / 1e6,
        "10 x: MB, all processes": peaks[10].total / 1e6,
        "1 x: MB, main process": peaks[1].main / 1e6,
        "10 x: MB, main process": peaks[10].main / 1e6,
        "1 x: MB, largest worker": peaks[1].worker / 1e6,
        "10 x: MB, largest worker": peaks[10].worker / 1e6,
        "ratio, all processes": peaks[10].total / peaks[1].total,
        "ratio, main process": peaks[10].main / peaks[1].main,
    }


def synthetic(folder: Path, factor: int) -> Path:
    """`factor` times one report, 450 text files, and 1,500 records in one file."""
    folder.mkdir()
    pdfs = sorted((data_folder() / "financebench" / "pdfs").glob("*.pdf"), key=lambda path: path.stat().st_size)[:1]
    for copy in range(factor):
        for pdf in pdfs:  # a comment behind the end makes it another file
            (folder / f"{pdf.stem}-{copy}.pdf").write_bytes(pdf.read_bytes() + f"\n% {copy}\n".encode())
    write_records(folder / "records.jsonl", 1500 * factor, seed=1)
    write_records(folder / "texts.tmp", 450 * factor, seed=2)
    with (folder / "texts.tmp").open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            (folder / f"text{number}.txt").write_text(json.loads(line)["text"], encoding="utf-8")
    (folder / "texts.tmp").unlink()
    return folder


class Costless:
    """An embedder that gives every text the same vector, of the default embedder's size."""

    name = "costless"
    dimensions = OnnxEmbedder.dimensions
    languages: frozenset[str] | None = None

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        return np.full((len(texts), self.dimensions), self.dimensions**-0.5, dtype=np.float32)

    def embed_query(self, text: str) -> Matrix:
        return self.embed_documents([text]).reshape(-1)


@dataclass(slots=True)
class Peak:
    total: int = 0
    main: int = 0
    worker: int = 0


def peak_of(archive: Path, index: Path) -> Peak:
    environment = {**os.environ, "RLM_SEARCH_HOME": str(index.parent / "home")}
    command = [
        sys.executable,
        "-m",
        "ingest",
        str(archive),
        "--index",
        str(index),
        "--embedder",
        "bench.ingest:Costless",
        "-q",
    ]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    peak = Peak()
    while process.poll() is None:
        main, workers = anonymous(process.pid), [anonymous(pid) for pid in below(process.pid)]
        peak.main = max(peak.main, main)
        peak.worker = max(peak.worker, *workers, 0)
        peak.total = max(peak.total, main + sum(workers))
        time.sleep(SAMPLE_SECONDS)
    assert process.returncode == 0, process.returncode
    return peak


if __name__ == "__main__":
    main()
