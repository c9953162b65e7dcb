"""Documents are read through any retriever, and whole ones are kept within bounds."""

from __future__ import annotations

from typing import Any

from retrievers.types import RetrievedDocument
from rlm_search.documents import Documents
from rlm_search.testing import MemoryRetriever


class Counting(MemoryRetriever):
    """Counts how often it is asked for a document."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked: list[str] = []

    def get(self, doc_id: str) -> RetrievedDocument:
        self.asked.append(doc_id)
        return super().get(doc_id)


def test_a_document_read_again_is_not_loaded_again() -> None:
    retriever = Counting({"a": "one\ftwo\fthree"})
    documents = Documents(retriever)
    assert documents.span("a", 4, 7).text == "two"
    assert documents.span("a", 4, 700).end == 13
    assert documents.span("a", 900, 950).text == ""
    assert [page.text for page in documents.pages("a", 2, 9)] == ["two\f"[:-1] + "\f", "three"]
    assert retriever.asked == ["a"]


def test_what_is_kept_is_bounded() -> None:
    retriever = Counting(dict.fromkeys("abc", "x" * 12000000))
    documents = Documents(retriever)
    for name in "abcab":
        documents.whole(name)
    assert retriever.asked == list("abcab")
    documents.whole("b")
    assert retriever.asked == list("abcab")
