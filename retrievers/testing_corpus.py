"""The small corpus that the contract tests search, and what its filters should let through."""

from __future__ import annotations

from collections import Counter
from typing import Any

from retrievers.fields import BUILT_IN, Form, Types, fields_of, forms_of, types_among
from retrievers.filters import matches, parse
from retrievers.types import Chunk, Document


def document(
    doc_id: str, text: str, *, title: str = "", pages: tuple[int, ...] = (), language: str = "en", **metadata: Any
) -> Document:
    """A document for tests; `metadata` are its fields."""
    return Document(
        id=doc_id,
        source=f"archive/{doc_id}.txt",
        title=title,
        text=text,
        media_type="text/plain",
        content_hash=f"{len(text)}-{hash((text, title)) & 0xFFFFFFFF:08x}",
        pages=pages,
        language=language,
        metadata=metadata,
    )


def chunked(document: Document, size: int = 80) -> list[Chunk]:
    """A document cut every `size` characters, each chunk overlapping the next by ten."""
    return [
        Chunk(
            id=f"{document.id}#c{ordinal}",
            document_id=document.id,
            ordinal=ordinal,
            start=start,
            end=min(start + size + 10, len(document.text)),
            text=document.text[start : start + size + 10],
            context=document.title,
        )
        for ordinal, start in enumerate(range(0, len(document.text), size))
    ]


PAGES = (
    "Northwind annual report. Contents and a letter to the shareholders of the company.\n",
    "Revenue rose to 120 million. The dividend was raised again by the board of directors.\n",
    "Capital expenditure for wind turbines came to 35 million in the year under review.\n",
)

CORPUS: tuple[Document, ...] = (
    document(
        "northwind",
        "".join(PAGES),
        title="Northwind annual report",
        pages=(0, len(PAGES[0]), len(PAGES[0]) + len(PAGES[1])),
        company="Northwind",
        year=2021,
        filed="2022-03-01",
        audited=True,
        tags=["energy", "wind"],
    ),
    document(
        "solaris",
        "Solaris builds solar panels. Its revenue fell to 80 million while research spending doubled.",
        title="Solaris in brief",
        company="Solaris",
        year=2020,
        filed="2021-02-15",
        audited=False,
        tags=["energy", "solar"],
    ),
    document(
        "memo",
        "Internal memo: the kitchen is closed on Friday. Please take your mugs home.",
        title="Kitchen",
        company="Northwind",
        year=2020,
        filed="2020-11-30T09:00:00Z",
    ),
    document("poem", "The wind in the willows whispers of water and of light.", title="A poem"),
)
"""Four small documents that the suites search: with pages and without, with fields of every type and without."""

FILTERS: tuple[dict[str, Any], ...] = (
    {"company": "Northwind"},
    {"company": ["Solaris", "Northwind"], "year": 2020},
    {"year": {"gte": 2021}},
    {"year": {"gt": 2020, "lte": 2021}},
    {"year": {"gte": 2019, "not": 2020}},
    {"filed": "2022"},
    {"filed": {"gte": "2021-02-15", "lt": "2022-03-02"}},
    {"filed": "2020-11-30"},
    {"audited": True},
    {"audited": {"not": True}},
    {"tags": "wind"},
    {"tags": {"prefix": "so"}},
    {"company": {"gte": "O"}},
    {"company": {"exists": False}},
    {"company": {"exists": True}, "audited": {"exists": False}},
    {"or": [{"year": 2021}, {"title": {"prefix": "A "}}]},
    {"not": {"company": "Northwind"}},
    {"and": [{"year": 2020}, {"not": {"tags": ["solar"]}}]},
    {"year": []},
)

AWKWARD_QUERIES: tuple[str, ...] = (
    "",
    "   ",
    "?!",
    "AND OR NOT",
    'an "open quote',
    '""',
    "wind:turbine^2 ~3 (a OR",
    "c++ C:\\path/to\\* [x TO y]",
    "the of what",
    "\x00\ud83d\ude00 ünïcödé 東京",
    "wind " * 500,
)


def types_of(documents: tuple[Document, ...]) -> dict[str, Types]:
    """Every field of some documents and its types."""
    forms: dict[str, Counter[Form]] = {}
    for each in documents:
        for name, value in fields_of(each).items():
            if forms_of(value):
                forms.setdefault(name, Counter()).update(forms_of(value))
    keywords = {name for name, kind in BUILT_IN.items() if kind == "keyword"}
    return {name: ("keyword",) if name in keywords else types_among(found) for name, found in forms.items()}


def passing(filters: dict[str, Any], documents: tuple[Document, ...] = CORPUS) -> set[str]:
    """The ids that a filter should let through, by the reference semantics."""
    parsed = parse(filters)
    fields = types_of(documents)
    return {each.id for each in documents if parsed is None or matches(parsed, fields_of(each), fields)}
