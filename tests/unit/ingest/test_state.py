"""Where journals lie, who may write, and what a rebuild may replace."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest import state
from ingest.status import read_status
from ingest.testing import indexed
from retrievers.embedded import EmbeddedWriter
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.errors import ConfigError, IndexLocked


def make(path: Path, name: str = "", dimensions: int = 0) -> Path:
    EmbeddedWriter(path, embedder_name=name, dimensions=dimensions).close()
    return path


def test_the_journal_of_a_server_lies_in_the_state_folder_by_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLM_SEARCH_HOME", str(tmp_path))
    one, other = (state.journal_path(f"opensearch://host/{name}") for name in ("one", "other"))

    assert one != other
    assert one.parent == other.parent == tmp_path / "state" / "journals"
    assert state.journal_path("some/index") == Path("some/index/journal.db")
    assert state.folders_of("opensearch://host/one") == ()


def test_one_process_at_a_time_holds_a_journal(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    assert not state.is_locked(journal)
    with state.lock(journal, "index"):
        assert state.is_locked(journal)
        with pytest.raises(IndexLocked, match="another `ingest`"), state.lock(journal, "index"):
            pass

    assert not state.is_locked(journal)


def test_an_index_names_its_embedder_where_it_is_one_of_ours(tmp_path: Path) -> None:
    assert state.own_embedder_spec(str(tmp_path / "missing")) == ""
    assert state.own_embedder_spec(str(make(tmp_path / "a"))) == "none"
    assert state.own_embedder_spec(str(make(tmp_path / "b", "hashing-64", 64))) == "hashing"
    with pytest.raises(ConfigError, match="openai:text"):
        state.own_embedder_spec(str(make(tmp_path / "c", "openai:text", 8)))


def test_a_recorded_embedder_opens_an_index_and_embeds_nothing(tmp_path: Path) -> None:
    recorded = state.recorded_embedder(str(make(tmp_path / "a", "openai:text", 8)))

    assert recorded is not None
    assert (recorded.name, recorded.dimensions) == ("openai:text", 8)
    with pytest.raises(ConfigError, match="is not open"):
        recorded.embed_documents(["x"])
    with pytest.raises(ConfigError, match="is not open"):
        recorded.embed_query("x")


def test_a_new_index_is_known_and_one_that_others_filled_without_a_ledger_never_is(tmp_path: Path) -> None:
    url = str(tmp_path / "index")
    for _ in range(2):
        with state.open_index(url, None) as index:
            assert index.is_known
    old = str(make(tmp_path / "old"))
    writer = EmbeddedWriter(Path(old), embedder_name="", dimensions=0)
    writer.replace([indexed("a", "text", source="a.txt")])
    writer.close()
    for _ in range(2):  # a first run that was killed has told the journal nothing
        with state.open_index(old, None) as index:
            assert not index.is_known


def test_a_rebuild_that_fails_leaves_the_old_index_in_place(tmp_path: Path) -> None:
    url = str(make(tmp_path / "index"))

    with pytest.raises(ZeroDivisionError), state.open_rebuilt(url, HashingEmbedder()):
        raise ZeroDivisionError

    assert state.recorded_embedder(url) is None
    with state.open_rebuilt(url, HashingEmbedder()):
        pass
    assert state.recorded_embedder(url) is not None


def test_a_rebuild_with_another_embedder_begins_again(tmp_path: Path) -> None:
    url = str(make(tmp_path / "index"))
    for embedder in (None, HashingEmbedder(), None):
        with pytest.raises(ZeroDivisionError), state.open_rebuilt(url, embedder):
            raise ZeroDivisionError
    (tmp_path / "index.rebuilding" / "index.json").write_text("torn")

    with state.open_rebuilt(url, None):
        pass

    assert state.recorded_embedder(url) is None


def test_a_rebuild_never_replaces_what_is_no_index(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")

    with pytest.raises(ConfigError, match="is no index"), state.open_rebuilt(str(tmp_path / "mine"), None):
        pass


def test_the_status_of_an_index_without_a_journal_is_empty(tmp_path: Path) -> None:
    status = read_status(str(make(tmp_path / "index")))

    assert (status.files, status.running) == ({}, None)
