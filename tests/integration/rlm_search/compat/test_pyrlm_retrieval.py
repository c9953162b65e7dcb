"""The example of pyrlm-runtime's README that searches, on a real Elasticsearch with an index of its layout."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.servers.search_nodes import dialect_of, fresh_index, server_url
from tests.unit.rlm_search.compat.conftest import Serve

pytestmark = pytest.mark.integration

SEARCHED = """```python
hits = es_search("who signed document X")
print(hits[0]["preview"])
mark = cite(hits[0], "Document X was signed by Ann Berg.")
```"""


@contextmanager
def pages_of_two_documents() -> Iterator[str]:
    """The name of an index in pyrlm-runtime's layout: a row a page."""
    with fresh_index("elasticsearch") as url:
        name = url.rpartition("/")[2]
        dialect = dialect_of("elasticsearch", name)
        fields = {"content": {"type": "text"}, "doc_id": {"type": "keyword"}, "page_num": {"type": "integer"}}
        vector = {"embedding": {"type": "dense_vector", "dims": 8}}
        dialect.request("PUT", f"/{name}", body={"mappings": {"properties": fields | vector}})
        rows = [{"content": f"Page {n} of {doc}.", "doc_id": doc, "page_num": n} for doc in "xy" for n in (1, 2, 3)]
        lines = [text.encode() for row in rows for text in ('{"index": {}}', json.dumps(row))]
        dialect.request("POST", f"/{name}/_bulk", params={"refresh": "true"}, lines=lines)
        dialect.close()
        yield name


def test_pages_and_ids_are_read_by_their_names() -> None:
    from rlm_search.compat.pyrlm_runtime import ElasticsearchRetriever

    with pages_of_two_documents() as name:
        retriever = ElasticsearchRetriever(server_url("elasticsearch"), "xxx", name, cache_results=True)
        assert retriever.list_logical_doc_ids() == ["x", "y"]
        assert retriever.get_pages("x", pages=[3], radius=1) == [
            {"doc_id": "x", "page_num": n, "content": f"Page {n} of x."} for n in (2, 3)
        ]
        assert retriever.get_pages_text("y", max_pages=1) == "<!-- Page 1 -->\nPage 1 of y."
        assert "Page 3 of y." in retriever.get_logical_document("y")["content"]
        with pytest.raises(KeyError, match="logical document not found: z"):
            retriever.get_logical_document("z")
        assert retriever.count() == 2
        retriever.clear_cache()
        retriever.close()


def test_the_retriever_to_be_awaited_searches_and_reads() -> None:
    from rlm_search.compat.pyrlm_runtime import AsyncElasticsearchRetriever

    async def ask(name: str) -> None:
        async with AsyncElasticsearchRetriever(server_url("elasticsearch"), "xxx", name) as retriever:
            hits, document, text = await asyncio.gather(
                retriever.search("Page 2", top_k=2), retriever.get("x"), retriever.get_pages_text("y", pages=[2])
            )
            assert [hit["doc_id"] for hit in hits]
            assert "Page 1 of x." in document.content
            assert text == "<!-- Page 2 -->\nPage 2 of y."

    with pages_of_two_documents() as name:
        asyncio.run(ask(name))


def test_the_retrieval_example_finds_and_answers(serve: Serve) -> None:
    with fresh_index("elasticsearch") as url:
        name = url.rpartition("/")[2]
        dialect = dialect_of("elasticsearch", name)
        row = {"content": "Document X was signed by Ann Berg.", "doc_id": "x", "page_num": 1}
        fields = {"content": {"type": "text"}, "doc_id": {"type": "keyword"}, "page_num": {"type": "integer"}}
        vector = {"embedding": {"type": "dense_vector", "dims": 8}}
        dialect.request("PUT", f"/{name}", body={"mappings": {"properties": fields | vector}})
        lines = [json.dumps({"index": {}}).encode(), json.dumps(row).encode()]
        dialect.request("POST", f"/{name}/_bulk", params={"refresh": "true"}, lines=lines)
        dialect.close()
        serve(SEARCHED, '```python\nFINAL(f"Ann Berg {mark}")\n```')

        from rlm_search.compat.pyrlm_runtime import RLM
        from rlm_search.compat.pyrlm_runtime.adapters import OpenAICompatAdapter
        from rlm_search.compat.pyrlm_runtime.retrieval import ElasticsearchRetriever

        retriever = ElasticsearchRetriever(
            host=server_url("elasticsearch"),
            api_key="xxx",
            index=name,
            embedding_model="text-embedding-3-small",
        )
        rlm = RLM(adapter=OpenAICompatAdapter(model="gpt-5"), retriever=retriever)
        answer, trace = rlm.run("Who signed document X?")  # No context needed

    assert answer == "Ann Berg [1]"
    assert "Ann Berg" in str(trace.steps[1].stdout)
