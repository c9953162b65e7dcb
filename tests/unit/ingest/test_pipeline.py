"""A run from files to index, with every way of being stopped in between."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ingest import sources
from ingest.journal import Journal
from ingest.pipeline import IngestRun
from ingest.readers import Reader
from ingest.testing import InlinePool, MemoryWriter
from ingest.types import Failure
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.errors import EngineRejected, EngineUnavailable
from retrievers.types import Matrix
from tests.unit.ingest.corpus import Corpus, mixed_files


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(tmp_path)


def named(ids: dict[str, str]) -> dict[str, str]:
    return {id_.rpartition("-")[0] or id_: text for id_, text in ids.items()}


def test_every_file_becomes_a_document(corpus: Corpus) -> None:
    corpus.write("a.txt", "one")
    corpus.write("sub/b.txt", "two")

    tally = corpus.ingest()

    assert named(corpus.texts()) == {"a": "one", "b": "two"}
    assert (tally.found, tally.read, tally.documents, tally.chunks) == (2, 2, 2, 2)
    assert corpus.states() == {"text": 2}


def test_a_second_run_reads_nothing(corpus: Corpus) -> None:
    corpus.write("a.txt", "one")
    corpus.write("broken.txt", "FAIL")
    corpus.ingest()

    tally = corpus.ingest()

    assert corpus.pool.attempts == {}
    assert tally.known == {"text": 1, "failed": 1}


def test_a_changed_file_takes_the_place_of_what_it_was(corpus: Corpus) -> None:
    corpus.write("a.txt", "old")
    corpus.ingest()
    corpus.write("a.txt", "new")

    corpus.ingest()

    assert named(corpus.texts()) == {"a": "new"}


def test_a_changed_file_leaves_the_document_that_another_file_still_holds(corpus: Corpus) -> None:
    corpus.write("a.txt", "same")
    corpus.write("b.txt", "same")
    corpus.ingest()
    corpus.write("a.txt", "other")

    corpus.ingest()
    corpus.ingest()  # the file that leads now is read again

    assert named(corpus.texts()) == {"a": "other", "b": "same"}
    assert {item.document.sources for item in corpus.durable.values()} == {("a.txt",), ("b.txt",)}
    assert {item.document.title for item in corpus.durable.values()} == {"a", "b"}


def test_one_content_under_many_paths_is_one_document_with_all_of_them(corpus: Corpus) -> None:
    for name in ("c.txt", "a.txt", "sub/b.txt"):
        corpus.write(name, "same")

    corpus.ingest()

    (item,) = corpus.durable.values()
    assert (item.document.source, item.document.title) == ("a.txt", "a")
    assert item.document.sources == ("a.txt", "c.txt", "sub/b.txt")


@pytest.mark.parametrize("seed", range(5))
def test_the_index_is_the_same_in_whatever_order_files_are_read(tmp_path: Path, seed: int) -> None:
    ordered, shuffled = Corpus(tmp_path / "1"), Corpus(tmp_path / "2")
    for corpus in (ordered, shuffled):
        mixed_files(corpus)
    ordered.ingest(documents=100)

    shuffled.ingest(documents=1, order=random.Random(seed).shuffle)

    assert shuffled.content() == ordered.content()


def test_records_keep_their_own_ids_and_a_name_claimed_twice_loses_nothing(corpus: Corpus) -> None:
    corpus.write("a.lines", "1 first\n2 second")
    corpus.write("b.lines", "1 otherwise\n2 second")

    corpus.ingest()

    assert sorted(corpus.texts().values()) == ["first", "otherwise", "second"]
    assert corpus.texts()["1"] == "first"
    assert corpus.durable["2"].document.sources == ("a.lines#2", "b.lines#2")


def test_a_changed_file_of_records_changes_what_changed_and_drops_what_is_gone(corpus: Corpus) -> None:
    corpus.write("a.lines", "1 first\n2 second\n3 third")
    corpus.ingest(embedder=HashingEmbedder())
    corpus.write("a.lines", "3 third\n1 changed")

    corpus.ingest()

    assert corpus.texts() == {"1": "changed", "3": "third"}
    assert corpus.durable["3"].vectors is not None, "what did not change keeps its vectors"


def test_a_failure_is_kept_and_cured_by_a_changed_file(corpus: Corpus) -> None:
    corpus.write("a.txt", "FAIL")
    corpus.ingest()
    assert corpus.states() == {"failed": 1}
    corpus.write("a.txt", "fine")

    corpus.ingest()

    assert corpus.states() == {"text": 1}
    with Journal(corpus.journal_path) as journal:
        assert list(journal.failures()) == []


def test_a_folder_that_cannot_be_listed_is_a_failure_and_the_run_goes_on(corpus: Corpus) -> None:
    gone = Failure(path=corpus.folder / "x", source="x", kind="unreadable", stage="find", message="denied")
    corpus.write("a.txt", "one")

    tally = corpus.ingest(order=lambda found: found.insert(0, gone))

    assert (tally.found, tally.read, tally.failed) == (2, 1, 1)


def test_another_reader_version_reads_everything_again(corpus: Corpus) -> None:
    corpus.write("a.txt", "one")
    corpus.ingest()

    corpus.ingest(reader="v2")

    assert corpus.pool.attempts == {"a.txt": 1}


def test_a_touched_file_keeps_its_document_and_its_vectors(corpus: Corpus) -> None:
    corpus.write("a.txt", "one")
    corpus.ingest(embedder=HashingEmbedder())
    before = corpus.content()
    corpus.write("a.txt", "one")

    tally = corpus.ingest()

    assert corpus.content() == before
    assert (tally.known, corpus.pool.attempts) == ({"vectors": 1}, {}), "its bytes are compared, it is not read"


def test_a_file_of_the_same_size_is_read_where_its_bytes_differ(corpus: Corpus) -> None:
    corpus.write("a.txt", "one")
    corpus.ingest()
    corpus.write("a.txt", "two")

    corpus.ingest()

    assert named(corpus.texts()) == {"a": "two"}


def test_vectors_follow_the_text_and_complete_the_file(corpus: Corpus) -> None:
    corpus.write("a.txt", "one\ntwo\nthree")
    embedder = HashingEmbedder()

    tally = corpus.ingest(embedder=embedder)

    (item,) = corpus.durable.values()
    assert item.vectors is not None
    assert (item.vectors == embedder.embed_documents(["one\n", "two\n", "three"])).all()
    assert tally.vectors == 3
    assert corpus.states() == {"vectors": 1}


def test_vectors_that_an_earlier_run_did_not_make_are_made_without_reading_again(corpus: Corpus) -> None:
    mixed_files(corpus)
    corpus.ingest()

    corpus.ingest(embedder=HashingEmbedder())

    assert corpus.pool.attempts == {}
    assert all(item.vectors is not None for item in corpus.durable.values() if item.chunks)


def test_a_lost_journal_neither_loses_nor_doubles_and_embeds_little_again(corpus: Corpus) -> None:
    mixed_files(corpus)
    corpus.ingest(embedder=HashingEmbedder())
    before = corpus.content()
    for path in corpus.journal_path.parent.glob("journal*"):
        path.unlink()

    tally = corpus.ingest(embedder=HashingEmbedder())

    assert corpus.content() == before
    assert tally.vectors < tally.chunks / 2, "only what was merged batch by batch is embedded again"


class Refusing(HashingEmbedder):
    """Refuses texts with a certain word."""

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        if any("secret" in text for text in texts):
            raise EngineRejected("too long")
        return super().embed_documents(texts)


def test_a_refused_document_fails_alone_and_is_tried_again_in_the_next_run(corpus: Corpus) -> None:
    corpus.write("a.txt", "fine\nfine too")
    corpus.write("b.txt", "a secret")

    tally = corpus.ingest(embedder=Refusing())

    assert tally.failed == 1
    assert {id_.partition("-")[0]: item.vectors is not None for id_, item in corpus.durable.items()} == {
        "a": True,
        "b": False,
    }
    with Journal(corpus.journal_path) as journal:
        assert [(failure.source, failure.kind) for failure in journal.failures()] == [("b.txt", "embed")]
    corpus.ingest(embedder=HashingEmbedder())
    assert corpus.states() == {"vectors": 2}


class Gone(HashingEmbedder):
    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        raise EngineUnavailable("no answer")


def test_an_embedder_that_does_not_answer_ends_the_run_with_the_text_in(corpus: Corpus) -> None:
    corpus.write("a.txt", "one")

    with pytest.raises(EngineUnavailable, match="no answer"):
        corpus.ingest(embedder=Gone())

    assert named(corpus.texts()) == {"a": "one"}
    assert corpus.states() == {"text": 1}


def test_stopping_leaves_what_was_read_written_and_the_rest_for_the_next_run(corpus: Corpus) -> None:
    for number in range(20):
        corpus.write(f"{number:02}.txt", f"text {number}")
    found: Iterator[object] = iter(sources.find([corpus.folder]))
    with Journal(corpus.journal_path) as journal:
        journal.begin_run("")
        run = IngestRun(
            writer=MemoryWriter(corpus.durable), journal=journal, pool=InlinePool(), reader=Reader(common="v1")
        )

        def stopping() -> Iterator[object]:
            for number, file in enumerate(found):
                if number == 5:
                    run.stop()
                yield file

        run.run(stopping())  # type: ignore[arg-type]  # the files of `find`, one after the other

    assert len(corpus.durable) == corpus.states()["text"] == 5
    corpus.ingest()
    assert len(corpus.durable) == 20
