"""Shards: parts of the files that are read apart, into one index, as if one run had read them all."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from ingest import sources, state, syncing
from ingest.errors import ConfigError
from ingest.finding import Finding
from ingest.journal import Journal
from ingest.pipeline import IngestRun
from ingest.readers import Reader
from ingest.settings import IngestSettings
from ingest.sharding import Shard, parse_shard
from ingest.state import OpenIndex
from ingest.testing import InlinePool
from ingest.types import SourceFile
from ingest.writing import Batching, tell_the_rest
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.types import IndexedDocument, LedgerEntry, Matrix
from tests.unit.ingest.conftest import Run
from tests.unit.ingest.corpus import Corpus, mixed_files


class Shared:
    """An index on a server: several write to it, each sees at once what has arrived, and the ledger with a flush."""

    def __init__(self) -> None:
        self.documents: dict[str, IndexedDocument] = {}
        self.ledger: list[LedgerEntry] = []
        self.lock = threading.RLock()


class SharedWriter:
    """A writer to it that keeps a ledger."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._entries: list[LedgerEntry] = []
        self.is_empty = not shared.documents

    def replace(self, documents: Sequence[IndexedDocument], *, removing: Sequence[str] = ()) -> None:
        with self._shared.lock:
            self.delete(removing)
            self._shared.documents |= {item.document.id: item for item in documents}

    def set_vectors(self, document_id: str, content_hash: str, vectors: Matrix) -> None:
        with self._shared.lock:
            held = self._shared.documents.get(document_id)
            if held is not None and held.document.content_hash == content_hash:
                self._shared.documents[document_id] = replace(held, vectors=vectors)

    def missing_vectors(self) -> Iterator[str]:
        with self._shared.lock:
            items = list(self._shared.documents.items())
        return (document_id for document_id, item in items if item.vectors is None and item.chunks)

    def chunks_of(self, document_id: str) -> IndexedDocument | None:
        held = self._shared.documents.get(document_id)
        return replace(held, vectors=None) if held else None

    def holds(self, document_id: str) -> str:
        held = self._shared.documents.get(document_id)
        return held.document.content_hash if held else ""

    def delete(self, document_ids: Sequence[str]) -> None:
        with self._shared.lock:
            for document_id in document_ids:
                self._shared.documents.pop(document_id, None)

    def flush(self) -> None:
        with self._shared.lock:
            self._shared.ledger += self._entries
            self._entries.clear()

    def close(self) -> None:
        self.flush()

    def ledger_ends(self) -> dict[str, int]:
        return {entry.author: entry.number for entry in self._shared.ledger}

    def read_ledger(self, known: Mapping[str, int]) -> Iterator[LedgerEntry]:
        with self._shared.lock:
            return iter([entry for entry in self._shared.ledger if entry.number > known.get(entry.author, 0)])

    def write_ledger(self, entries: Sequence[LedgerEntry], *, anew: bool = False) -> None:
        assert not anew, "no shard begins the ledger anew"
        self._entries += entries


class Split(Corpus):
    """Files that are read in parts into one index."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.shared = Shared()
        self.durable = self.shared.documents

    def ingest_shard(self, shard: Shard, *, seed: int = 0) -> None:
        """One part, with a journal of its own."""
        found = [file for file in sources.find([self.folder]) if shard.owns(file.source)]
        random.Random(seed).shuffle(found)
        with Journal(journal_of(self, shard)) as journal:
            index = open_part(self, journal, shard)
            run = IngestRun(
                writer=index.writer,
                journal=journal,
                pool=InlinePool(),
                reader=Reader(common="v1"),
                embedder=HashingEmbedder(),
                batching=Batching(documents=3, seconds=60.0),
                ask_index=not index.is_known,
                shard=shard,
            )
            run.run(iter(found))
            tell_the_rest(journal, index.writer, shard)


def journal_of(corpus: Corpus, shard: Shard) -> Path:
    return corpus.folder.parent / f"{shard.number}-of-{shard.count}.db"


def parts(count: int) -> list[Shard]:
    return [Shard(number, count) for number in range(1, count + 1)]


def corpora(tmp_path: Path) -> tuple[Corpus, Split]:
    """The same files twice: to be read at once, and in parts."""
    made = Corpus(tmp_path / "whole"), Split(tmp_path / "split")
    for corpus in made:
        mixed_files(corpus)
        for number in range(6):
            corpus.write(f"copies/{number}.txt", f"text {number // 2}\nmore")
            corpus.write(f"{number}.lines", f"name content {number}\nother the same\nown{number} content {number}")
    return made


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3", "1.5/2"])
def test_what_is_no_part_of_a_whole_is_told_in_one_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match="is no part of a whole") as refused:
        parse_shard(text)

    assert refused.value.hint == "K/N with K from 1 to N, e.g. --shard 1/4"


def test_parts_are_named_by_their_number_and_how_many_there_are() -> None:
    assert parse_shard(" 2/3 ") == Shard(2, 3)
    assert str(Shard(2, 3)) == "2/3"
    assert parse_shard("") is None


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_file_is_of_one_part_and_the_parts_are_of_a_size(count: int) -> None:
    names = [f"folder {number % 9}/report-{number}.pdf" for number in range(3000)]

    sizes = Counter(shard for shard, name in itertools.product(parts(count), names) if shard.owns(name))

    assert sum(sizes.values()) == len(names)
    assert min(sizes.values()) > 0.8 * len(names) / count


@pytest.mark.parametrize("inside", ["#17", "!/inner/file.pdf", "!/a.zip!/b.jsonl#x", "#a!/b"])
def test_what_lies_in_a_file_is_of_its_part(inside: str) -> None:
    for number in range(50):
        (shard,) = (shard for shard in parts(3) if shard.owns(f"mail/{number}.mbox"))
        assert shard.owns(f"mail/{number}.mbox{inside}")


def test_each_shard_has_a_journal_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_SEARCH_HOME", str(tmp_path))
    url = "opensearch://host/one"

    assert len({state.journal_path(url, shard) for shard in (None, Shard(1, 2), Shard(2, 2), Shard(1, 3))}) == 4


@pytest.mark.parametrize("order", list(itertools.permutations(parts(3))))
def test_all_parts_together_give_what_one_run_gives(tmp_path: Path, order: Sequence[Shard]) -> None:
    whole, split = corpora(tmp_path)
    whole.ingest(embedder=HashingEmbedder())

    for shard in order:
        split.ingest_shard(shard)

    assert split.content() == whole.content()


@pytest.mark.parametrize("seed", range(4))
def test_parts_that_are_read_at_once_give_what_one_run_gives(tmp_path: Path, seed: int) -> None:
    whole, split = corpora(tmp_path)
    whole.ingest(embedder=HashingEmbedder())

    with ThreadPoolExecutor(3) as threads:
        for ended in [threads.submit(split.ingest_shard, shard, seed=seed) for shard in parts(3)]:
            ended.result()
    for shard in (
        parts(3) * 2
    ):  # what parts wrote in the same moment is joined, and read again, by those that come after
        split.ingest_shard(shard)

    assert split.content() == whole.content()


def test_a_part_embeds_no_document_of_another(tmp_path: Path) -> None:
    _, split = corpora(tmp_path)
    split.ingest_shard(Shard(1, 2))
    for document_id, item in split.durable.items():
        split.durable[document_id] = replace(item, vectors=None)

    split.ingest_shard(Shard(2, 2))

    others = [
        item for item in split.durable.values() if item.chunks and all(map(Shard(1, 2).owns, item.document.sources))
    ]
    assert others
    assert all(item.vectors is None for item in others if not item.document.id.startswith("name"))


def test_parts_that_are_read_again_change_nothing(tmp_path: Path) -> None:
    _, corpus = corpora(tmp_path)
    for shard in parts(2):
        corpus.ingest_shard(shard)
    before = corpus.content()

    for shard in (*parts(2), *reversed(parts(2))):
        corpus.ingest_shard(shard)

    assert corpus.content() == before


def test_a_part_without_its_journal_takes_nothing_from_the_others(tmp_path: Path) -> None:
    _, corpus = corpora(tmp_path)
    for shard in parts(2):
        corpus.ingest_shard(shard)
    before = corpus.content()

    for path in corpus.folder.parent.glob("1-of-2*"):
        path.unlink()
    corpus.ingest_shard(Shard(1, 2))

    assert corpus.content() == before


def test_sync_of_one_part_removes_nothing_of_another_and_leaves_the_copy_that_it_has(tmp_path: Path) -> None:
    corpus = Split(tmp_path)
    shard, other = parts(2)
    mine = next(name for name in map("{}.txt".format, range(99)) if shard.owns(name))
    theirs, alone = [name for name in map("{}.txt".format, range(99)) if other.owns(name)][:2]
    for name in (mine, theirs):
        corpus.write(name, "the same")
    corpus.write(alone, "of the other part")
    for part in parts(2):
        corpus.ingest_shard(part)
    assert sources_in(corpus) == sorted([tuple(sorted((mine, theirs))), (alone,)])

    for name in (mine, alone):
        (corpus.folder / name).unlink()
    sync(corpus, shard)
    assert sources_in(corpus) == sorted([(theirs,), (alone,)])

    sync(corpus, other)
    assert sources_in(corpus) == [(theirs,)]
    (corpus.folder / theirs).unlink()
    sync(corpus, shard)
    assert sources_in(corpus) == [(theirs,)]
    sync(corpus, other)
    assert sources_in(corpus) == []


def test_a_changed_file_of_one_part_leaves_the_copy_of_another(tmp_path: Path) -> None:
    corpus = Split(tmp_path)
    shard, other = parts(2)
    mine = next(name for name in map("{}.txt".format, range(99)) if shard.owns(name))
    theirs = next(name for name in map("{}.txt".format, range(99)) if other.owns(name))
    corpus.write(mine, "the same")
    corpus.write(theirs, "the same")
    for part in parts(2):
        corpus.ingest_shard(part)

    corpus.write(mine, "another")
    corpus.ingest_shard(shard)

    assert sources_in(corpus) == sorted([(mine,), (theirs,)])


def sources_in(corpus: Corpus) -> list[tuple[str, ...]]:
    return sorted(item.document.sources for item in corpus.durable.values())


def open_part(corpus: Split, journal: Journal, shard: Shard) -> OpenIndex:
    writer = SharedWriter(corpus.shared)
    journal.begin_run("")
    with journal.transaction():
        journal.ledger.catch_up(writer)
    return OpenIndex(writer=writer, journal=journal, is_known=True, shard=shard)


def sync(corpus: Split, shard: Shard) -> None:
    """What is gone, after a run with `--sync`."""
    corpus.ingest_shard(shard)
    with Journal(journal_of(corpus, shard)) as journal:
        index = open_part(corpus, journal, shard)
        syncing.drop_gone([corpus.folder], index)
        tell_the_rest(journal, index.writer, shard)


def test_a_folder_takes_neither_shards_nor_a_cluster_and_a_part_replaces_no_whole(run: Run, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("text")

    refusals = [
        (("--shard", "1/2"), "--shard 1/2 is for several machines, and the index "),
        (("--executor", "ray"), "--executor ray is for several machines, and the index "),
        (("--shard", "1/2", "--rebuild", "--index", "opensearch://localhost:1/x"), "--rebuild replaces the whole"),
        (("--shard", "5/2"), "--shard 5/2 is no part of a whole"),
    ]
    for arguments, sentence in refusals:
        code, out, err = run("files", "--embedder", "none", *arguments)
        assert (code, out) == (5, "")
        assert err.startswith(f"error: {sentence}")
        assert len(err.splitlines()) == 2
    assert not (tmp_path / ".rlm-search").exists()


def test_only_files_of_the_part_are_found_and_counted(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number}.txt").write_text("text")
    found = [file for file in sources.find([tmp_path]) if isinstance(file, SourceFile)]
    mine = [file for file in found if Shard(1, 4).owns(file.source)]

    finding = Finding([tmp_path], IngestSettings(), (), shard=Shard(1, 4))

    assert list(finding.files()) == mine
    assert finding.count() == len(mine)
