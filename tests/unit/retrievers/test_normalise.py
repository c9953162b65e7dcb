"""Foreign results become hits and documents at the border."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from retrievers.errors import EngineRejected
from retrievers.normalise import as_document, as_hit, as_hits
from retrievers.types import Hit, RetrievedDocument


def test_a_hit_stays_itself() -> None:
    hit = Hit(doc_id="a")
    assert as_hit(hit) is hit


def test_a_dict_of_pyrlm_runtime_becomes_a_hit() -> None:
    hit = as_hit({"doc_id": "a", "preview": "some\ntext", "score": 2, "metadata": {"year": 2019}})
    assert hit == Hit(doc_id="a", chunk_id="a", preview="some text", score=2.0, metadata={"year": 2019})


def test_other_names_for_the_same_are_known() -> None:
    assert as_hit({"_id": 7, "text": "words"}).doc_id == "7"
    assert as_hit(SimpleNamespace(id="x", snippet="words", pages=[3])) == Hit(
        doc_id="x", chunk_id="x", preview="words", pages=(3,)
    )


def test_a_whole_text_as_preview_is_cut() -> None:
    assert len(as_hit({"doc_id": "a", "preview": "word " * 1000}).preview) < 700


@pytest.mark.parametrize(
    "odd",
    [
        {"doc_id": "a", "score": "high"},
        {"doc_id": "a", "score": None, "pages": "12", "metadata": [1], "start": -3},
        {"doc_id": "a", "score": [], "end": "x"},
    ],
)
def test_odd_values_become_harmless_ones(odd: dict[str, Any]) -> None:
    assert as_hit(odd) == Hit(doc_id="a", chunk_id="a")


@pytest.mark.parametrize("result", [{}, {"doc_id": ""}, {"doc_id": True}, 3, None])
def test_a_result_without_an_id_is_an_error(result: Any) -> None:
    with pytest.raises(EngineRejected, match="doc_id"):
        as_hit(result)


def test_no_results_are_none() -> None:
    assert as_hits(None) == []


def test_documents_come_as_mapping_string_or_themselves() -> None:
    document = RetrievedDocument(doc_id="a", content="text")
    assert as_document(document, "a") is document
    assert as_document("text", "a") == document
    assert as_document({"content": "text", "metadata": {}}, "a") == document
    assert as_document(SimpleNamespace(doc_id="b", text="", pages=(0, 4)), "a").pages == (0, 4)


def test_a_document_without_content_is_an_error() -> None:
    with pytest.raises(EngineRejected, match="content"):
        as_document({"doc_id": "a"}, "a")
