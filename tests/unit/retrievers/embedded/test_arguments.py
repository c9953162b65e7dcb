"""A mistake in a call is one clear sentence; half a character is no mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retrievers.embedded import EmbeddedRetriever
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.errors import DocumentNotFound, EngineRejected
from retrievers.testing import document

from .conftest import embedded, open_writer

HALF = "\ud800"

WRONG_CALLS: tuple[tuple[tuple[Any, ...], dict[str, Any]], ...] = (
    ((None,), {}),
    ((3,), {}),
    ((b"wind",), {}),
    ((["wind"],), {}),
    (("wind",), {"top_k": "3"}),
    (("wind",), {"top_k": None}),
    (("wind",), {"top_k": 2.5}),
    (("wind",), {"top_k": True}),
)


@pytest.fixture
def reader(path: Path) -> EmbeddedRetriever:
    writer = open_writer(path)
    writer.replace([embedded(document("a", "The wind turns.", title=f"half {HALF}", pages=(0,)))])
    writer.close()
    return EmbeddedRetriever(path, HashingEmbedder)


@pytest.mark.parametrize("name", ["search", "vector_search", "hybrid_search"])
@pytest.mark.parametrize(("args", "kwargs"), WRONG_CALLS, ids=repr)
def test_a_search_that_is_called_wrongly_says_so(
    reader: EmbeddedRetriever, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    with pytest.raises(EngineRejected, match=r"must be a (string|whole number), not"):
        getattr(reader, name)(*args, **kwargs)


@pytest.mark.parametrize(
    "call",
    [
        lambda r: r.count(None),
        lambda r: r.facets(3),
        lambda r: r.facets("title", query=3),
        lambda r: r.facets("title", top_k="3"),
        lambda r: r.scan(after=3),
        lambda r: r.scan(limit="3"),
        lambda r: r.get(None),
        lambda r: r.read("a", "0", 3),
        lambda r: r.read_pages("a", 1, None),
    ],
)
def test_other_calls_say_so_too(reader: EmbeddedRetriever, call: Callable[[Any], Any]) -> None:
    with pytest.raises(EngineRejected, match=r"must be a (string|whole number), not"):
        call(reader)


def test_half_a_character_is_searched_like_any_other(reader: EmbeddedRetriever) -> None:
    assert [hit.doc_id for hit in reader.search(f"wind {HALF}")] == ["a"]
    assert [hit.doc_id for hit in reader.hybrid_search(f'wind "{HALF} turns"', filters={"title": f"half {HALF}"})] == [
        "a"
    ]
    assert reader.count(filters={"title": {"prefix": f"half {HALF}"}}) == 1
    assert reader.count(filters={"title": [HALF, "x"]}) == 0
    assert reader.count(filters={"title": {"gte": HALF}}) == 0
    assert list(reader.scan(after=HALF)) == []
    with pytest.raises(DocumentNotFound):
        reader.get(HALF)


def test_a_field_with_half_a_character_in_its_name_does_not_stop_what_follows(path: Path) -> None:
    writer = open_writer(path)
    odd: dict[str, Any] = {f"odd{HALF}": f"value{HALF}"}
    named = document("a", "The wind turns.", **odd)
    writer.replace([embedded(named), embedded(document("b", "The wind falls."))])
    writer.close()
    assert EmbeddedRetriever(path).count(filters={"odd\ufffd": f"value{HALF}"}) == 1
    assert EmbeddedRetriever(path).count("wind") == 2
