"""The pool of a cluster: whatever its flow repeats, loses or mixes up, every file ends once."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

import pytest

from ingest import sources
from ingest.cluster.aside import aside
from ingest.cluster.parcels import Errand, Filed, Parcel, errands_of, filed_of, rows_of
from ingest.cluster.pool import ClusterPool, Flow
from ingest.testing import InlinePool
from ingest.types import Failure, ParsedFile, SourceFile
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.errors import EngineUnavailable
from tests.unit.ingest.corpus import Corpus, mixed_files


@pytest.fixture
def files(tmp_path: Path) -> list[SourceFile]:
    corpus = Corpus(tmp_path)
    mixed_files(corpus)
    return [file for file in sources.find([corpus.folder]) if isinstance(file, SourceFile)]


def read(errands: Iterable[list[Errand]]) -> Generator[Parcel]:
    """Reads files in this process, one parcel a file."""
    for errand in itertools.chain.from_iterable(errands):
        outcomes = InlinePool().run([errand.file()])
        yield Parcel([filed_of(errand, piece, outcome) for piece, outcome in enumerate(outcomes)], {})


def embed(parcel: Parcel) -> Parcel:
    for filed in parcel.filed:
        if hasattr(filed.report, "documents"):
            texts = [[chunk.embedding_text for chunk in each.unpack().chunks] for each in filed.report.documents]
            filed.vectors = [rows_of(HashingEmbedder().embed_documents(each)) for each in texts]
    return parcel


def ends(outcomes: Iterable[ParsedFile | Failure]) -> dict[str, int]:
    """How often each file has ended."""
    ended: dict[str, int] = {}
    for outcome in outcomes:
        if isinstance(outcome, Failure) or outcome.last:
            assert outcome.file is not None
            ended[outcome.file.source] = ended.get(outcome.file.source, 0) + 1
    return ended


def documents(outcomes: Iterable[ParsedFile | Failure]) -> list[str]:
    found = [outcome for outcome in outcomes if isinstance(outcome, ParsedFile)]
    return sorted(item.document.source for outcome in found for item in outcome.documents)


def twice(errands: Iterable[list[Errand]]) -> Generator[Parcel]:
    for parcel in read(errands):
        yield parcel
        yield parcel


def mixed_up(errands: Iterable[list[Errand]]) -> Generator[Parcel]:
    parcels = list(read(errands))
    random.Random(3).shuffle(parcels)
    yield from parcels


def losing(every: int) -> Flow:
    """Loses a parcel of so many, other ones each time."""
    count = itertools.count(1)
    return lambda errands: (parcel for parcel in read(errands) if next(count) % every)


def losing_tails(errands: Iterable[list[Errand]]) -> Generator[Parcel]:
    """The second half of what is read of a file is lost, until it is asked for alone."""
    errands = list(errands)
    for parcel in read(errands):
        half = len(parcel.filed) if sum(map(len, errands)) < 4 else max(1, len(parcel.filed) // 2)
        yield Parcel(parcel.filed[:half], {})


@pytest.mark.parametrize("flow", [read, twice, mixed_up, losing(3), losing_tails])
def test_every_file_ends_once_and_no_document_is_lost_or_doubled(files: list[SourceFile], flow: Flow) -> None:
    outcomes = list(ClusterPool(flow).run(files))

    assert ends(outcomes) == dict.fromkeys((file.source for file in files), 1)
    assert documents(outcomes) == documents(InlinePool().run(files))


@pytest.mark.parametrize("wave", [1, 3, 100])
def test_files_are_found_as_they_are_needed(files: list[SourceFile], wave: int) -> None:
    taken: list[SourceFile] = []

    def found() -> Iterator[SourceFile]:
        for file in files:
            taken.append(file)
            yield file

    first = next(iter(ClusterPool(read, wave_files=wave).run(found())))

    assert first.file is not None
    assert len(taken) == min(wave, len(files))


def test_a_file_that_never_comes_back_is_a_failure_that_is_tried_again(files: list[SourceFile]) -> None:
    def without_the_first(errands: Iterable[list[Errand]]) -> Generator[Parcel]:
        for parcel in read(errands):
            yield Parcel([filed for filed in parcel.filed if filed.number], {})

    outcomes = list(ClusterPool(without_the_first).run(files))

    (lost,) = [each for each in outcomes if isinstance(each, Failure) and each.kind == "crashed"]
    assert (lost.file, lost.transient) == (files[0], True)
    assert len(ends(outcomes)) == len(files)


def test_what_a_machine_could_not_go_on_with_ends_the_run(files: list[SourceFile]) -> None:
    def gone(errands: Iterable[list[Errand]]) -> Generator[Parcel]:
        yield next(read(errands))
        raise EngineUnavailable("the embedder does not answer")

    pool = ClusterPool(gone).run(files)
    next(pool)

    with pytest.raises(EngineUnavailable, match="does not answer"):
        list(pool)


def test_vectors_come_with_documents_bit_for_bit(files: list[SourceFile]) -> None:
    outcomes = ClusterPool(lambda errands: (embed(each) for each in read(errands))).run(files)

    items = [item for outcome in outcomes if isinstance(outcome, ParsedFile) for item in outcome.documents]
    assert len(items) > 5
    for item in items:
        expected = HashingEmbedder().embed_documents([chunk.embedding_text for chunk in item.chunks])
        assert item.vectors is not None
        assert item.vectors.tobytes() == expected.tobytes()


def test_a_document_that_the_embedder_refused_comes_without_vectors(files: list[SourceFile]) -> None:
    def refuse(parcel: Parcel) -> Parcel:
        for filed in embed(parcel).filed:
            filed.vectors = filed.vectors and [None] * len(filed.vectors)
        return parcel

    outcomes = ClusterPool(lambda errands: (refuse(each) for each in read(errands))).run(files)

    assert all(item.vectors is None for each in outcomes if isinstance(each, ParsedFile) for item in each.documents)


def test_an_errand_is_bounded_in_files_and_in_bytes(files: list[SourceFile], tmp_path: Path) -> None:
    (tmp_path / "large.txt").write_bytes(b"x" * 3_000_000)
    (large,) = sources.find([tmp_path / "large.txt"])
    assert isinstance(large, SourceFile)

    assert [len(each) for each in errands_of(enumerate([files[0]] * 130))] == [64, 64, 2]
    assert [len(each) for each in errands_of(enumerate([large, large, files[0]]))] == [1, 2]


def test_a_relative_path_is_found_from_another_folder(
    files: list[SourceFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (file,) = sources.find([Path("files/0.txt")])
    assert isinstance(file, SourceFile)

    assert Errand.of(0, file).file().path == tmp_path / "files/0.txt"


def test_a_stop_waits_for_nothing_that_is_under_way() -> None:
    stopped, release = threading.Event(), threading.Event()

    def slow() -> Generator[int]:
        yield 1
        release.wait(20)

    items = aside(slow, stopped)
    assert next(items) == 1
    stopped.set()
    started = time.monotonic()

    assert list(items) == []
    assert time.monotonic() - started < 2
    release.set()


def test_nothing_is_made_far_ahead() -> None:
    made: list[int] = []

    def count() -> Generator[int]:
        for number in range(100):
            made.append(number)
            yield number

    items = aside(count, threading.Event())
    assert [next(items), next(items)] == [0, 1]
    assert len(made) <= 6
    assert list(items) == list(range(2, 100))


def test_a_piece_that_was_lost_comes_again_and_those_before_it_do_not(files: list[SourceFile]) -> None:
    (records,) = [file for file in files if file.source == "records.lines"]
    whole = [filed for parcel in read([[Errand.of(0, records)]]) for filed in parcel.filed]
    answers: Iterator[list[Filed]] = iter([[whole[0], *whole[2:]], whole])

    outcomes = list(ClusterPool(lambda _: (Parcel(each, {}) for each in [next(answers)])).run([records]))

    assert documents(outcomes) == documents(InlinePool().run([records]))
