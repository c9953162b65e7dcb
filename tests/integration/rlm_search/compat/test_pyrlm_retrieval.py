"""The example of pyrlm-runtime's README that searches, on a real Elasticsearch with an index of its layout."""

from __future__ import annotations

import json

import pytest

from tests.servers.search_nodes import dialect_of, fresh_index, server_url
from tests.unit.rlm_search.compat.conftest import Serve

pytestmark = pytest.mark.integration

SEARCHED = """```python
hits = es_search("who signed document X")
print(hits[0]["preview"])
mark = cite(hits[0], "Document X was signed by Ann Berg.")
```"""


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
