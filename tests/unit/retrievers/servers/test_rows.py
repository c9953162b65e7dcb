"""A document as rows of a server's index, filters as JSON, and the mapping that takes both."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrievers.embedded.querying import take_apart
from retrievers.filters import parse, resolve
from retrievers.servers import asking
from retrievers.servers.elasticsearch import ElasticsearchDialect
from retrievers.servers.mapping import mapping_of, settings_of
from retrievers.servers.opensearch import OpenSearchDialect
from retrievers.servers.rows import (
    field_name,
    own_name,
    record_of,
    routing_of,
    row_id,
    text_rows,
    values_of,
    vector_rows,
)
from retrievers.testing import CORPUS, chunked, document
from retrievers.types import FieldType


@pytest.mark.parametrize("each", CORPUS, ids=lambda each: each.id)
def test_the_units_of_a_document_are_its_text_and_its_record_comes_back(each: object) -> None:
    for item in CORPUS:
        if item is not each:
            continue
        rows = [row for _, row in text_rows(item, chunked(item))]
        units = [row for row in rows if row["kind"] == "unit"]
        texts = [value for row in units for name, value in row.items() if name.startswith("text_")]
        record = record_of([row["record"] for row in rows if row["kind"] == "record"])

        assert "".join([*texts[-1:], *texts[:-1]]) == item.text
        assert [row.get("head") for row in units] == [None] * (len(units) - 1) + [True]
        assert (record.length, record.content_hash) == (len(item.text), item.content_hash)
        assert json.dumps(rows)


def test_a_vector_row_is_filtered_by_what_its_document_is_filtered_by() -> None:
    item = CORPUS[0]
    chunks = chunked(item)
    rows = list(text_rows(item, chunks))
    record = record_of([row["record"] for _, row in rows if row["kind"] == "record"])

    vectors = list(vector_rows(rows[-1][1], record, np.ones((len(chunks), 2), np.float32)))

    assert [row["ordinal"] for _, row in vectors] == [chunk.ordinal for chunk in chunks]
    assert all(row["k"] == rows[-1][1]["k"] for _, row in vectors)
    assert len({name for name, _ in [*rows, *vectors]}) == len(rows) + len(vectors)


def test_each_value_is_indexed_by_its_text_and_as_what_it_can_be_read_as() -> None:
    values = values_of({"year": 2019, "code": "0042", "when": "2019-03-01", "open": True, "tags": ("a", "7"), "x": ""})

    assert values["k"]["year"] == ["2019"]
    assert values["n"] == {"year": [2019.0], "tags": [7.0]}
    assert list(values["d"]) == ["when"]
    assert values["k"]["open"] == ["true"]


@given(st.text(max_size=20))
def test_a_field_of_any_name_has_a_name_on_a_server(name: str) -> None:
    escaped = field_name(name)

    assert escaped.strip()
    assert "." not in escaped
    assert own_name(escaped) == name


@given(st.text(max_size=300))
def test_ids_and_routing_are_short_and_without_commas(doc_id: str) -> None:
    assert len(row_id(doc_id, "0123456789abcdef", "u", 3).encode("utf-8", "surrogatepass")) <= 512
    assert "," not in routing_of(doc_id)


def test_a_long_id_is_told_by_its_hash() -> None:
    item = document("x" * 2000, "some words to find")

    assert all(len(name) < 512 for name, _ in text_rows(item, chunked(item)))


TYPES: dict[str, FieldType] = {"year": "number", "company": "keyword", "when": "date", "open": "boolean"}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"company": "3M"}, {"terms": {"k.company": ["3M"]}}),
        ({"year": {"gte": 2019, "lt": 2022}}, {"range": {"n.year": {"gte": 2019.0, "lt": 2022.0}}}),
        ({"open": True}, {"terms": {"k.open": ["true"]}}),
        ({"company": {"prefix": "3"}}, {"prefix": {"k.company": "3"}}),
        ({"company": {"exists": False}}, {"bool": {"must_not": [{"exists": {"field": "k.company"}}]}}),
        ({"company": []}, {"match_none": {}}),
        ({"or": []}, {"match_none": {}}),
    ],
)
def test_a_filter_is_json_that_both_servers_read(filters: dict[str, object], expected: dict[str, object]) -> None:
    parsed = parse(filters)
    assert parsed is not None

    found = asking.condition(resolve(parsed, TYPES))

    assert found == expected or found == {"bool": {"should": [expected], "minimum_should_match": 1}}


def test_a_question_asks_every_field_and_phrases_weigh_beside_words() -> None:
    question = take_apart('the "free cash flow" of FY2018', ("en",))
    body = asking.lexical(question, [])

    texts = json.dumps(body)
    assert "match_phrase" in texts
    assert "title_en" in texts
    assert "text_cjk" in texts
    assert asking.lexical(take_apart('"free cash"', ("en",)), [])["bool"]["must"]
    assert asking.prior(question, [])["bool"]["filter"] == [asking.HEADS]
    assert len(asking.each(question)) == 1 + len([word for word, weight in question.words.items() if weight == 1.0])


@pytest.mark.parametrize("kind", [OpenSearchDialect, ElasticsearchDialect])
def test_the_mapping_of_an_index_is_closed_but_for_metadata(
    kind: type[OpenSearchDialect | ElasticsearchDialect],
) -> None:
    dialect = kind.__new__(kind)  # what it says, not where it is
    mapping = mapping_of(dialect, embedder="minilm", dimensions=8)
    settings = settings_of(dialect, shards=3, replicas=2)

    assert mapping["dynamic"] is False
    assert mapping["properties"]["vector"]
    assert {name for name in ("k", "n", "d") if mapping["properties"][name]["dynamic"] is True} == {"k", "n", "d"}
    assert settings["index"]["number_of_shards"] == 3
    assert settings["index"]["number_of_replicas"] == 2
    assert "vector" not in mapping_of(dialect, embedder="", dimensions=0)["properties"]
    body = dialect.nearest([0.0], 5, asking.HEADS)
    assert body["size"] == 5
    assert json.dumps(dialect.with_vectors(body))
