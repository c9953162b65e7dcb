"""Marks depend on what the index holds, and on nothing that happened before."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.journal import Journal
from ingest.near_duplicates import NearDuplicates
from ingest.sketches import are_similar, buckets_of, sketch_of
from tests.unit.ingest.test_sketches import WORDS

TEXTS = [
    WORDS,
    WORDS.replace("fog", "mist"),
    WORDS.replace("fog", "mist").replace("pilot", "captain").replace("season", "summer"),
    WORDS.replace("evening", "morning").replace("clerk", "mayor"),
    WORDS.replace("35,000", "36,000"),
    WORDS[::-1],
]
SKETCHES = [sketch_of(text) for text in TEXTS]

documents = st.sampled_from("abcdefgh")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), documents, st.integers(0, len(TEXTS) - 1)),
        st.tuples(st.just("remove"), documents, st.just(0)),
        st.tuples(st.just("mark"), st.just(""), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_marks_are_those_of_what_is_there_however_it_came_about(taken: list[tuple[str, str, int]]) -> None:
    held: dict[str, bytes] = {}
    index: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.db") as journal:
        near = journal.near_duplicates
        for what, document_id, text in [*taken, ("mark", "", 0)]:
            match what:
                case "write":
                    near.note(document_id, SKETCHES[text], is_marked=False)
                    held[document_id], index[document_id] = SKETCHES[text], ""
                case "remove":
                    uncover(near, index, document_id)
                    held.pop(document_id, None)
                    index.pop(document_id, None)
                case _:
                    mark(near, index)
            assert {original for original in index.values() if original} <= held.keys()
        assert index == marks_of(held)
        assert near.count() == sum(map(bool, index.values()))


def uncover(near: NearDuplicates, index: dict[str, str], removed: str) -> None:
    orphans = dict.fromkeys(near.orphans([removed]), "")
    near.drop([removed])
    near.mark(orphans)
    index.update(orphans)


def mark(near: NearDuplicates, index: dict[str, str]) -> None:
    near.gather()
    while compared := near.doubtful(3):
        changes = near.changes(compared)
        index.update(changes)
        near.mark(changes)
        near.settle(compared)


def marks_of(held: Mapping[str, bytes]) -> dict[str, str]:
    """The smallest id among the similar ones, compared each with each."""
    return {
        one: min((other for other in held if other < one and meet(held[one], held[other])), default="") for one in held
    }


def meet(one: bytes, other: bytes) -> bool:
    return are_similar(one, other) and bool(set(buckets_of(one)) & set(buckets_of(other)))


def test_a_document_whose_mark_is_not_known_is_marked_again(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        near = journal.near_duplicates
        near.note("a", SKETCHES[0], is_marked=False)
        near.note("b", SKETCHES[-1], is_marked=True)
        near.gather()
        assert near.changes(near.doubtful(10)) == {"b": ""}
