"""A writer is killed at random moments: what was flushed is there, nothing twice, and vectors fit their rows."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter
from retrievers.errors import DocumentNotFound
from retrievers.testing import chunked, document
from retrievers.types import IndexedDocument, Matrix

pytestmark = pytest.mark.integration

DIMENSIONS = 16
ROUNDS = 8
REMOVED_BETWEEN_FLUSHES = 4  # a commit whose line was not printed any more

WRITER = f"""
import sys
from pathlib import Path
from retrievers.embedded import EmbeddedWriter
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_crash import DIMENSIONS, made

writer = EmbeddedWriter(Path(sys.argv[1]), embedder_name="drawn", dimensions=DIMENSIONS)
version = int(sys.argv[2])
print("open", flush=True)
for number in range(10_000):
    name = f"d{{number % 40:02}}"
    one = made(name, version * 1_000_000 + number, late=number % 3 == 0)
    writer.replace([one], removing=[f"d{{number * 7 % 50:02}}"])
    for missing in list(writer.missing_vectors())[:2] if number % 5 == 0 else []:
        restored = writer.chunks_of(missing)
        whole = made(missing, int(restored.document.content_hash), late=False)
        writer.set_vectors(missing, whole.document.content_hash, whole.vectors)
    if number % 4 == 3:
        writer.flush()
        print("flushed", *(f"{{i:02}}={{writer.holds(f'd{{i:02}}') or '-'}}" for i in range(50)), flush=True)
    if number % 60 == 59:
        writer.compact()
"""


def made(name: str, version: int, *, late: bool) -> IndexedDocument:
    """A document whose text and vectors tell its version."""
    rng = random.Random(version)
    text = f"version{version} " + " ".join(rng.choice(["wind", "mugs", "moon", "costs"]) for _ in range(60))
    one = document(name, text, version=version)
    one = type(one)(**{**{field: getattr(one, field) for field in one.__slots__}, "content_hash": str(version)})
    chunks = chunked(one)
    return IndexedDocument(document=one, chunks=chunks, vectors=None if late else vectors_of(version, len(chunks)))


def vectors_of(version: int, count: int) -> Matrix:
    """Unit vectors that belong to a version."""
    drawn = np.random.default_rng(version).standard_normal((count, DIMENSIONS)).astype(np.float32)
    unit: Matrix = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


def check(path: Path, flushed: dict[str, str]) -> None:
    """The index is whole: texts, ids and vectors tell the same versions; no flush was lost."""
    reader = EmbeddedRetriever(path)
    now = reader.snapshot()
    summaries = list(reader.scan())
    assert len({summary.doc_id for summary in summaries}) == len(summaries) == reader.count()
    versions = {summary.doc_id: int(str(summary.metadata["version"])) for summary in summaries}
    for doc_id, version in versions.items():
        assert reader.get(doc_id).content == made(doc_id, version, late=True).document.text
        number, address = now.head(doc_id) or (-1, None)
        assert address is not None
        rows = np.flatnonzero(now.vectors.doc == number)
        if len(rows):
            exact = vectors_of(version, len(now.head_record(address).chunks))
            assert np.allclose(now.vectors.f16[rows], exact, atol=1e-3)
    live = {number for number in np.unique(now.vectors.doc).tolist() if number not in set(now.vectors.dead.tolist())}
    assert live <= {(now.head(doc_id) or (-1, None))[0] for doc_id in versions}
    held = {name: int(version) for name, version in flushed.items() if version != "-"}
    assert all(versions[name] >= version for name, version in held.items() if name in versions)
    assert len(held.keys() - versions.keys()) <= REMOVED_BETWEEN_FLUSHES


def kill_after(path: Path, version: int, seconds: float) -> dict[str, str]:
    """Run a writer, kill it without warning, and tell what its last flush held."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(version)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate()
    whole = [line for line in output.split("\n")[:-1] if line.startswith("flushed")]
    return {f"d{pair[:2]}": pair[3:] for pair in whole[-1].split()[1:]} if whole else {}


def test_a_killed_writer_leaves_a_whole_index(tmp_path: Path) -> None:
    path = tmp_path / "index"
    draw = random.Random(5)
    flushes = 0
    for version in range(1, ROUNDS + 1):
        flushed = kill_after(path, version, draw.uniform(0.02, 1.2))
        flushes += bool(flushed)
        check(path, flushed)
        writer = EmbeddedWriter(path, embedder_name="drawn", dimensions=DIMENSIONS)  # cuts back and goes on
        writer.replace([made("after", version, late=False)])
        writer.close()
        check(path, flushed)
    assert flushes > ROUNDS / 3


def test_readers_see_whole_commits_while_a_writer_works(tmp_path: Path) -> None:
    path = tmp_path / "index"
    EmbeddedWriter(path, embedder_name="drawn", dimensions=DIMENSIONS).close()
    reader = EmbeddedRetriever(path)
    failures: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                hits = reader.search("wind moon costs mugs", top_k=100)
                ids = [hit.chunk_id for hit in hits]
                assert len(ids) == len(set(ids))
                for summary in reader.scan(limit=3):
                    with suppress(DocumentNotFound):  # the next commit may have dropped it
                        whole = reader.get(summary.doc_id)
                        assert whole.content.startswith(f"version{whole.metadata['version']} ")
                reader.describe()
            except BaseException as error:  # noqa: BLE001 - told to the test below
                failures.append(error)
                return

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    kill_after(path, 1, 3.0)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_many_processes_read_while_one_writes(tmp_path: Path) -> None:
    path = tmp_path / "index"
    writer = EmbeddedWriter(path, embedder_name="drawn", dimensions=DIMENSIONS)
    writer.replace([made(f"d{number}", number, late=False) for number in range(10)])
    writer.flush()
    code = (
        "import sys; from pathlib import Path; from retrievers.embedded import EmbeddedRetriever;"
        "r = EmbeddedRetriever(Path(sys.argv[1])); print(r.count(), len(r.search('wind', top_k=50)))"
    )
    readers = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [reader.communicate()[0] for reader in readers] == ["10 10\n"] * 3
    writer.close()
