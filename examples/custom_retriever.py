"""A retriever of your own: four methods that return dicts, over anything that can be searched.

Use it as the index of any command, in any language model's REPL, or from Python:

    rlm-search ask "Who runs the harbour of Port Ellis?" --index examples.custom_retriever:NotesRetriever

Nothing else is needed. Beyond the four, `count`, `facets`, `scan`, `read`, `read_pages` and `describe` are offered to
the model where the class has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retrievers.errors import DocumentNotFound
from retrievers.fields import type_of
from retrievers.filters import matches, parse

NOTES: Mapping[str, Mapping[str, Any]] = {
    "harbour": {"text": "The harbour of Port Ellis is run by Mara Quist since 2019.", "topic": "places", "year": 2019},
    "bakery": {"text": "The bakery on Mill Lane sells rye bread on Tuesdays.", "topic": "shops", "year": 2021},
    "ferry": {"text": "The ferry leaves the harbour at six and returns at nine.", "topic": "transport", "year": 2022},
}


class NotesRetriever:
    """Searches notes held in memory, by counting the words of the query in them."""

    def __init__(self, notes: Mapping[str, Mapping[str, Any]] = NOTES) -> None:
        self._notes = notes
        fields = {name: value for note in notes.values() for name, value in note.items() if name != "text"}
        self._types = {name: kind for name, value in fields.items() if (kind := type_of(value))}

    def search(self, query: str, *, top_k: int = 10, filters: Any = None) -> Sequence[dict[str, Any]]:
        """Notes with most words of the query first."""
        wanted = {word for word in query.lower().split() if len(word) > 3}  # the rest is `the`, `who`, `of`
        scored = [(self._score(note["text"], wanted), doc_id) for doc_id, note in self._passing(filters)]
        best = sorted((pair for pair in scored if pair[0]), reverse=True)[:top_k]
        return [
            {"doc_id": doc_id, "preview": self._notes[doc_id]["text"], "score": float(score), "metadata": {}}
            for score, doc_id in best
        ]

    vector_search = search  # no vectors here: the words must do
    hybrid_search = search

    def get(self, doc_id: str) -> dict[str, Any]:
        """The whole note."""
        if doc_id not in self._notes:
            raise DocumentNotFound(f"no note `{doc_id}`")
        note = self._notes[doc_id]
        return {"doc_id": doc_id, "content": note["text"], "metadata": _fields(note)}

    def _passing(self, filters: Any) -> list[tuple[str, Mapping[str, Any]]]:
        parsed = parse(filters)
        return [
            (doc_id, note)
            for doc_id, note in self._notes.items()
            if parsed is None or matches(parsed, _fields(note), self._types)
        ]

    @staticmethod
    def _score(text: str, wanted: set[str]) -> int:
        return sum(word.strip(".,") in wanted for word in text.lower().split())


def _fields(note: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in note.items() if name != "text"}


if __name__ == "__main__":
    for hit in NotesRetriever().search("who runs the harbour", filters={"year": {"gte": 2019}}):
        print(f"{hit['score']:.0f}  {hit['doc_id']}: {hit['preview']}")
