"""Near-duplicates from end to end: found, marked, shown once, and shown again when their original goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrievers.embedded import EmbeddedRetriever
from retrievers.embedders.hashing import HashingEmbedder
from tests.integration.ingest.corpus import content, ingest

pytestmark = pytest.mark.integration

TEXT = (
    "The harbour board met in the evening and heard the report of the pilot who had brought the ferry in through fog. "
    "She had sounded the horn at every buoy, slowed to a walk before the mole and asked for a tug that never came. "
    "The board thanked her, found no fault with the crew and asked the engineer to look at the rudder before the "
    "season begins. A letter about the late boat was read aloud; the new landing would cost 120,000 crowns."
)
FILES = {
    "one/b-minutes.txt": TEXT,
    "one/a-minutes.md": TEXT.replace("fog", "mist"),
    "two/c-minutes.txt": TEXT.replace(". ", ".\n"),
    "two/later.txt": TEXT.replace("120,000", "135,000"),
    "two/rudder.txt": "The engineer found the rudder to be sound. " * 8,
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "archive"


def read_into(index: Path, *paths: Path, **more: str) -> dict[str, str]:
    ingest(index.parent, *paths, "--index", index, "--embedder", "hashing", "-q", more=more)
    return marks(index)


def marks(index: Path) -> dict[str, str]:
    """Documents and their originals, by the beginning of their ids."""
    listed = EmbeddedRetriever(index).scan()
    return {each.doc_id[:1]: str(each.metadata.get("duplicate_of", ""))[:1] for each in listed}


def found(index: Path) -> list[str]:
    hits = EmbeddedRetriever(index, HashingEmbedder).hybrid_search("pilot in the harbour", top_k=20)
    return sorted({hit.doc_id[:1] for hit in hits})


def test_the_smallest_id_stands_for_its_group_in_whatever_order_files_come(tmp_path: Path, archive: Path) -> None:
    wanted = {"a": "", "b": "a", "c": "a", "l": "", "r": ""}
    assert read_into(tmp_path / "forth", archive) == wanted
    read_into(tmp_path / "back", archive / "two")
    assert read_into(tmp_path / "back", archive / "one") == wanted
    for index in (tmp_path / "forth", tmp_path / "back"):
        assert found(index) == ["a", "l", "r"]
    everything = content(tmp_path / "forth")
    assert everything["missing"] == []

    assert read_into(tmp_path / "forth", archive) == wanted
    assert content(tmp_path / "forth") == everything


def test_when_the_original_goes_the_next_one_stands_for_the_group(tmp_path: Path, archive: Path) -> None:
    index = tmp_path / "index"
    told = ingest(tmp_path, archive, "--index", index, "--embedder", "hashing").stdout
    assert "note: 2 documents are near-duplicates of others" in told

    ingest(tmp_path, "forget", archive / "one" / "a-minutes.md", "--index", index)
    assert marks(index) == {"b": "", "c": "b", "l": "", "r": ""}

    (archive / "one" / "b-minutes.txt").write_text("Nothing was said.", encoding="utf-8")
    assert read_into(index, archive / "one") == {"a": "", "b": "", "c": "a", "l": "", "r": ""}
    assert "c" not in found(index)


def test_a_journal_that_is_lost_finds_the_same_and_the_setting_takes_marks_away(tmp_path: Path, archive: Path) -> None:
    index = tmp_path / "index"
    wanted = read_into(index, archive)
    for file in index.glob("journal*"):
        file.unlink()
    assert read_into(index, archive) == wanted

    off = read_into(index, archive, RLM_SEARCH_INGEST__NEAR_DUPLICATES="false")
    assert off["c"] == off["b"] == ""
