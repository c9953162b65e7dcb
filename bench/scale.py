"""Does a large index cost more a document than a small one? One run of the command over a synthesised archive.

Records and text files of three chunks or so, of words drawn by Zipf's law, no two alike. While the command runs, its
journal is asked how far it is, and the kernel what memory and CPU time the processes have: so each twentieth of the
chunks has a rate. The last lines compare the second twentieth with the last one (the first holds the start) and the
peak of anonymous memory with that of a run of 50,000 chunks, which is made first; in a run of less than ten times as
many with what was reached until 50,000 had vectors. Then two fifths of the documents are removed by `ingest forget`,
whose close compacts the vector files.

    python -m bench.scale [--chunks 1000000] [--embedder hashing] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from bench.processes import anonymous, below, cpu_seconds

PARTS = 20
CHUNKS_A_RECORD = 3
WORDS_A_RECORD = 330  # chunks of 110 words: about 150 tokens of these words
RECORDS_A_FILE = 1000
TEXT_FILES_A_FOLDER = 40
EARLY_CHUNKS = 50_000
COMPARED_FROM = 500_000  # chunks: a run of fewer is compared with its own beginning
SAMPLE_SECONDS = 0.5
VOCABULARY = 50_000


@dataclass(frozen=True, slots=True)
class Sample:
    """How far the run was at a moment. Seconds of the clock, of CPU; bytes."""

    clock: float
    cpu: float
    chunks: int
    vectors: int
    memory: int
    main_memory: int


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--embedder", default="hashing")
    parser.add_argument("--folder", type=Path, help="where archive and index go; default: a temporary folder")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-scale-", dir=arguments.folder) as name:
        folder, small = Path(name) / "whole", Path(name) / "small"
        base: list[Sample] = []
        if arguments.chunks >= COMPARED_FROM:
            synthesise(small / "archive", EARLY_CHUNKS)
            base = watched(small, arguments.embedder)
        synthesise(folder / "archive", arguments.chunks)
        samples = watched(folder, arguments.embedder)
        found = compared(samples, base or [sample for sample in samples if sample.vectors <= EARLY_CHUNKS])
        if not arguments.json:
            print(table(samples))
        found |= compacted(folder)
    print(
        json.dumps(found) if arguments.json else "\n".join(f"{key:<58}{value:>14,.3f}" for key, value in found.items())
    )


# --- the archive -----------------------------------------------------------------------------------------------------


def synthesise(folder: Path, chunks: int) -> None:
    """Folders of one file of records and some text files each, read in their order."""
    random_ = random.Random(1)
    vocabulary = [word(random_) for _ in range(VOCABULARY)]
    weights = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))
    records, number = chunks // CHUNKS_A_RECORD, 0
    while number < records:
        part = folder / f"part{number // RECORDS_A_FILE:05}"
        part.mkdir(parents=True)
        with (part / "records.jsonl").open("w", encoding="utf-8") as lines:
            for kept in range(min(RECORDS_A_FILE, records - number)):
                number += 1
                text = prose(random_.choices(vocabulary, cum_weights=weights, k=WORDS_A_RECORD), number)
                if kept < TEXT_FILES_A_FOLDER:
                    (part / f"text{kept}.txt").write_text(text, encoding="utf-8")
                else:
                    lines.write(json.dumps({"id": f"r{number}", "title": text[:30], "text": text}) + "\n")


def word(random_: random.Random) -> str:
    return "".join(random_.choice("bdfgklmnprstv") + random_.choice("aeiou") for _ in range(random_.randint(1, 3)))


def prose(words: list[str], number: int) -> str:
    sentences = (" ".join(words[first : first + 11]).capitalize() for first in range(0, len(words), 11))
    return f"Record {number}. " + ". ".join(sentences) + ".\n"


# --- the run ---------------------------------------------------------------------------------------------------------


def command(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "RLM_SEARCH_HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "home")}
    arguments = [sys.executable, "-m", "ingest", *words, "--index", str(folder / "index")]
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL)


def watched(folder: Path, embedder: str) -> list[Sample]:
    process = command(folder, str(folder / "archive"), "--embedder", embedder, "-q")
    cpu: dict[int, float] = {}
    started, samples = time.perf_counter(), [Sample(0, 0, 0, 0, 0, 0)]
    while process.poll() is None:
        pids = [process.pid, *below(process.pid)]
        cpu |= {pid: seconds for pid in pids if (seconds := cpu_seconds(pid))}  # of a worker that has ended, the last
        chunks, vectors = progress(folder / "index" / "journal.db")
        clock, memory = time.perf_counter() - started, sum(map(anonymous, pids))
        samples.append(Sample(clock, sum(cpu.values()), chunks, vectors, memory, anonymous(process.pid)))
        time.sleep(SAMPLE_SECONDS)
    assert process.returncode == 0, process.returncode
    return samples


def progress(journal: Path) -> tuple[int, int]:
    try:
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True, timeout=1)) as database:
            row = database.execute("SELECT progress FROM runs ORDER BY id DESC LIMIT 1").fetchone()
        told = json.loads(row[0])
    except (sqlite3.Error, TypeError, ValueError):  # not made yet, or no beat yet
        return 0, 0
    return int(told["chunks"]), int(told["vectors"])


def compacted(folder: Path) -> dict[str, float]:
    """Forget a good third of the archive: more than the share of dead rows at which closing compacts."""
    parts = sorted((folder / "archive").iterdir())
    gone = [str(part) for number, part in enumerate(parts) if number % 5 < 2]
    before, started = stored(folder), time.perf_counter()
    assert command(folder, "forget", *gone).wait() == 0
    return {
        "forgetting two fifths and compacting: seconds": time.perf_counter() - started,
        "vector files after / before": stored(folder) / max(before, 1),
    }


def stored(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "index").rglob("*") if path.parent.name == "vectors")


# --- what it comes to ------------------------------------------------------------------------------------------------


def at(samples: list[Sample], share: float) -> Sample:
    """When this share of the work was done: a chunk written and a chunk embedded count the same."""
    wanted = share * (samples[-1].chunks + samples[-1].vectors)
    return next(sample for sample in samples if sample.chunks + sample.vectors >= wanted)


def rates(samples: list[Sample], part: int) -> tuple[float, float]:
    """Chunks written and embedded in a part, each counted half, per second and per second of CPU time."""
    before, after = at(samples, part / PARTS), at(samples, (part + 1) / PARTS)
    done = (after.chunks - before.chunks + after.vectors - before.vectors) / 2
    return done / max(after.clock - before.clock, 1e-9), done / max(after.cpu - before.cpu, 1e-9)


def compared(samples: list[Sample], early: list[Sample]) -> dict[str, float]:
    (first, first_cpu), (last, last_cpu) = rates(samples, 1), rates(samples, PARTS - 1)
    return {
        "chunks": samples[-1].chunks,
        "vectors": samples[-1].vectors,
        "seconds": samples[-1].clock,
        "CPU seconds": samples[-1].cpu,
        "chunks a second, second twentieth": first,
        "chunks a second, last twentieth": last,
        "ratio by the wall clock": last / first,
        "ratio by CPU time": last_cpu / first_cpu,
        "peak RssAnon of all processes, MB": max(sample.memory for sample in samples) / 1e6,
        "peak / peak at 50,000 chunks": max(s.memory for s in samples) / max(s.memory for s in early),
        "main process: peak / peak at 50,000 chunks": max(s.main_memory for s in samples)
        / max(s.main_memory for s in early),
    }


def table(samples: list[Sample]) -> str:
    lines = [f"{'part':>5}{'chunks':>12}{'vectors':>12}{'chunks/s':>11}{'per CPU s':>11}{'RssAnon MB':>12}{'main':>8}"]
    for part in range(PARTS):
        wall, cpu = rates(samples, part)
        end = at(samples, (part + 1) / PARTS)
        lines.append(
            f"{part + 1:>5}{end.chunks:>12,}{end.vectors:>12,}{wall:>11,.0f}{cpu:>11,.0f}"
            f"{end.memory / 1e6:>12,.0f}{end.main_memory / 1e6:>8,.0f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
