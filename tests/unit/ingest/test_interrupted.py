"""A run that is killed at any call of its index, and repeated after its files have changed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingest.testing import MemoryWriter
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.types import IndexedDocument, Matrix
from tests.unit.ingest.corpus import Corpus, mixed_files


class Killed(BaseException):
    """The process ends here, as by kill -9."""


class Mortal(MemoryWriter):
    """A writer that is killed at its n-th call, before or after it has done what it was called for."""

    def live(self, calls: int, *, after: bool) -> None:
        self._left, self._after = calls, after

    __slots__ = ("_after", "_left")

    def _die(self, *, done: bool) -> None:
        if done == self._after:
            self._left -= 1
            if self._left < 0:
                raise Killed

    def replace(self, documents: Sequence[IndexedDocument], *, removing: Sequence[str] = ()) -> None:
        self._die(done=False)
        MemoryWriter.replace(self, documents, removing=removing)
        self._die(done=True)

    def set_vectors(self, document_id: str, content_hash: str, vectors: Matrix) -> None:
        self._die(done=False)
        MemoryWriter.set_vectors(self, document_id, content_hash, vectors)
        self._die(done=True)

    def flush(self) -> None:
        self._die(done=False)
        MemoryWriter.flush(self)
        self._die(done=True)


def killed_after(corpus: Corpus, calls: int, *, after: bool) -> bool:
    writer = Mortal(corpus.durable)
    writer.live(calls, after=after)
    try:
        corpus.ingest(embedder=HashingEmbedder(), writer=writer, documents=2)
    except Killed:
        return True
    return False


@pytest.mark.parametrize("after", [False, True])
def test_a_run_killed_at_any_call_of_the_index_and_repeated_ends_as_if_never_killed(
    tmp_path: Path, after: bool
) -> None:
    for calls in itertools.count():
        whole, broken = Corpus(tmp_path / f"{calls}-whole"), Corpus(tmp_path / f"{calls}-broken")
        for corpus in (whole, broken):
            mixed_files(corpus)
        was_killed = killed_after(broken, calls, after=after)
        change(broken)
        change(whole)
        whole.ingest(embedder=HashingEmbedder())

        broken.ingest(embedder=HashingEmbedder())

        assert broken.content() == whole.content(), f"killed at call {calls}"
        if not was_killed:
            assert calls > 10
            return


def change(corpus: Corpus) -> None:
    """What may happen to files between a kill and the next run."""
    corpus.write("0.txt", "changed")
    corpus.write("records.lines", "2 second\nx changed")
    corpus.write("broken.txt", "mended")


def test_a_source_that_was_written_before_a_kill_and_is_gone_since_is_not_named(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    corpus.write("a.lines", "1 first")
    corpus.ingest(embedder=HashingEmbedder())
    corpus.write("b.lines", "1 first")
    assert killed_after(corpus, 1, after=True)  # the index has both sources now, the journal one
    corpus.write("b.lines", "2 second")

    corpus.ingest(embedder=HashingEmbedder())

    assert corpus.durable["1"].document.sources == ("a.lines#1",)


def test_a_file_that_is_written_to_while_it_is_read_is_read_again_by_the_next_run(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    corpus.write("a.txt", "before")

    def write_on(_: list[object]) -> None:
        corpus.write("a.txt", "half of what follows")

    corpus.ingest(order=write_on)  # found, and not yet read
    assert list(corpus.texts().values()) == ["half of what follows"]
    corpus.write("a.txt", "half of what follows, and the rest")
    corpus.ingest()

    assert list(corpus.texts().values()) == ["half of what follows, and the rest"]
    assert corpus.ingest().known == {"text": 1}


def test_a_clock_that_goes_back_between_runs_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = Corpus(tmp_path)
    corpus.write("a.txt", "one")
    corpus.ingest()
    monkeypatch.setattr("ingest.journal.time.time", lambda: 1_000.0)
    corpus.write("b.txt", "two")

    tally = corpus.ingest()

    assert (tally.read, dict(tally.known)) == (1, {"text": 1})
    assert sorted(corpus.texts().values()) == ["one", "two"]
